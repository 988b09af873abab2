"""What the engine remembers: containers, images, networks and events, and the locks that keep writers apart.

    State.open(root/podlink.db, runroot/locks)
      ├── .containers   rows of containers; `find` by name, ID or ID prefix
      ├── .images       images, their names, and the layers that they share
      ├── .networks     networks, and who has which address
      ├── .events       what happened, newest 10,000
      └── .locks        one lock a container, among threads and processes

`tables.py` says what each table is asked, in the frozen values of `values.py`; both can be had without loading a database.
A module here answers for one table, or one family of them, from one SQLite file; `memory/` has its like for an engine that keeps
no file, and `rules.py` what both decide alike. Nobody outside this package writes SQL, and nothing in it knows how a container
runs. What can be found out from the host (mounts, cgroups, processes) is not kept here.

Those who may import it: every part of the engine from `storage` up. Try it:

    $ sqlite3 /var/lib/podlink/podlink.db 'select name, status, pid from containers'
"""
