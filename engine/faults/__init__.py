"""Failures on demand: any change that a verb makes to its host can be made to fail, to hang, or to be the process's last.

    with engine.faults.fail("storage.mount"):
        with pytest.raises(StorageFailed):
            container.start()                       and what does my program do about that?

    with engine.faults.hang("runtime.run") as fault:
        starting = threading.Thread(target=container.start)
        starting.start()
        fault.await_struck()                        it is in the middle of its start, and goes no further
    starting.join()                                 the block has ended: it goes on

A step is a method of one of the host's parts, by its name in `STEPS`; it is told before it is made and after. While nobody asks
for a fault, nothing stands between the engine and its parts.
"""
