"""What runs containers: runc with a monitor for each container, or the emulator. The verbs above call `base.Runtime` alone.

    base.py        the Protocol, and the values that cross it
    runc.py        RuncRuntime: the verbs on a real host
    bundle.py      the run directory of a container, as the engine writes and reads it
    helper.py      the engine's end of the spawner: starts it, asks it for monitors
    listener.py    the socket at which monitors ask for a cleanup
    ps.py          ps(1) over one container
    exits.py       the exit record
    monitor/       what lives beside each running container, in processes of its own
    emulator/      the same without a kernel

Nothing but this package starts runc. Try: `ls -l /run/podlink/containers/*` and `runc --root /run/podlink/runc list`.
"""
