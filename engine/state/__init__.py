"""What the engine remembers: containers, images and events in one SQLite file, and the locks that keep writers apart.

    State.open(root/podlink.db, runroot/locks)
      ├── .containers   rows of containers; `find` by name, ID or ID prefix
      ├── .images       images, their names, and the layers that they share
      ├── .events       what happened, newest 10,000
      └── .locks        one lock a container, among threads and processes

Each module keeps one table, or one family of them, and hands out the frozen values of `values.py`, which can be had without
loading a database. Nobody outside this package writes SQL,
and nothing in it knows how a container runs. What can be found out from the host (mounts, cgroups, processes) is not kept here.

Those who may import it: every part of the engine from `storage` up. Try it:

    $ sqlite3 /var/lib/podlink/podlink.db 'select name, status, pid from containers'
"""
