"""A state that no file keeps, for an engine that goes with its process: dictionaries of the frozen values, under one lock.

    store.py       what there is, and the lock
    containers.py, images.py, networks.py, events.py      the tables over it, as `engine/state/tables.py` asks for them

What SQLite does for the other kind (constraints, order, undoing) is done here by looking first and changing then. The same tests
hold both to the same answers: tests/state.
"""
