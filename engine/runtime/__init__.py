"""What runs containers: runc with a monitor for each container, or the emulator. The verbs above call `base.Runtime` alone.

    base.py        the Protocol, and the values that cross it
    runc.py        RuncRuntime: the verbs on a real host
    bundle.py      the run directory of a container, as the engine writes and reads it
    helper.py      the engine's end of the spawner: starts it, asks it for monitors
    listener.py    the socket at which monitors ask for a cleanup
    waits.py       many who wait, and one thread for all of them
    arrears.py     what was refused, and is tried again until it is done
    joined.py      the namespaces that a container is to join
    ps.py          ps(1) over one container; ps_options.py: its options, taken apart
    exits.py       the exit record
    record.py      how such records are read: whole and checked, or refused by path
    monitor/       what lives beside each running container, in processes of its own
    emulator/      the same without a kernel

Nothing but this package starts runc. Try, in /run/podlink/14218cb1: `ls -l containers/*` and `runc --root $PWD/runc list`.
"""
