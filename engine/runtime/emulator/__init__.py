"""Containers without a kernel under them: processes are threads, signals are notices, the root file system is a directory.

    runtime.py      the verbs of engine/runtime/base.py, over runs
    run.py          one run of a container: its process table, freezer, figures, log and exit record
    process.py      one process, and the system calls that a program makes
    usage.py        what a run may use, and has used
    figures.py      what is told of a run: processes, use, namespaces
    watchers.py     who is woken up by what happens in a container's directory
    channels.py     what a descriptor leads to: pipe, file, log, /dev/null
    terminal.py     a terminal with its line discipline: echo, editing, signals
    streams.py      a run's streams, its log, and who is attached in this process
    desk.py         the sockets for those who are attached from others
    tree.py         paths as they look from inside; nothing leads out
    mounts.py       volumes and file systems in memory
    procfs.py       what can be read below /proc
    owners.py       whose files are
    users.py        who is called what, by the image's own files
    signals.py      the numbers, names and default actions of Linux
    machine.py      the machine that containers see
    programs.py     which program an argv means: execvp(3), execve(2), and runc's words where there is none
    ready.py        programs that a test may register for binaries of its images
    ps.py           ps(1) over emulated processes
    userland/       the programs: a shell and the everyday commands

The engine may call `runtime.EmulatorRuntime`, nothing else. It replaces runc and the monitor as a pair: what is above
it is the same code as on a real host. Neither root nor Linux is needed.

What it does not do: separate. A program here is Python in the caller's own process, so this is for tests, not for trust.
"""
