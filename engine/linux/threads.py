"""A thread for what only a thread can have for itself: namespaces(7), a working directory (CLONE_FS), setfsuid(2)."""

import threading
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def in_a_thread(act: Callable[[], Found], name: str) -> Found:
    """What `act` answers, done in a thread that ends with it, and with all that it set. Raises what it raises."""
    found: list[Found] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(act())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]
