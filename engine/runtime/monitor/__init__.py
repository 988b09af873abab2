"""The monitor: one small process beside each running container. It is the parent of the container's init, moves its output
into the log, writes down how it ended, and sees to it that somebody cleans up.

    engine ──socket──▶ spawner ──fork──▶ monitor ──posix_spawn──▶ runc run -d ──▶ init
     │  ▲                 │ ends with     ▲ │ ▲ ▲   (leaves when init runs)          │
     │  │                 ▼ the engine    │ │ │ └──── stdout, stderr ───────────────┤
     │  └──────── process, or why not ────┼─┘ └────── its exit status (subreaper) ──┘
     └────── run directory, its lock ─────┘

    spawner.py     waits to be asked for monitors, and forks them: 1 ms each, where a new interpreter takes 15. The engine
                   asks for each before it needs it, so that one waits
    life.py        a monitor's life from its first line to its last
    start.py       runc, until it has left
    stdio.py       what init has for its streams, and the monitor's ends of it
    pump.py        pipes to log
    children.py    SIGCHLD as something that poll(2) can wait for
    finish.py      the exit record and the cleanup
    records.py     the files of the run directory

Each container has a monitor of its own: one fault takes one container's streams. It outlives the engine. Imported here is
only what a monitor needs: `streams`, `linux` and this package.
"""
