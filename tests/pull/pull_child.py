"""Pull an image in a process of its own, and die by SIGKILL at the n-th step. `python pull_child.py CONFIG PLACE N`.

With 0 it lives, and says by how many KiB its memory and its helpers' grew at most: `IMAGE KIB`.
"""

import os
import resource
import signal
import sys
import threading

from podlink.engine.app import open_host
from podlink.engine.config import Config
from podlink.engine.images.pull import pull
from podlink.engine.testing.faults import wired


def main() -> None:
    text, place, number = sys.argv[1:]
    lock = threading.Lock()
    count = 0

    def told(name: str) -> None:
        nonlocal count
        with lock:
            count += 1
            if count == int(number):
                print(name, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)

    with open_host(Config.from_text(text)) as host:
        import_heavy()
        before = peak(resource.RUSAGE_SELF)
        watched = wired(host, lambda step: told(step.name) if step.name.endswith("before") else None)
        image = pull(watched, place, progress=lambda blob, size: told(f"{size} bytes of a blob"))
        told("the end")
        grown = max(peak(resource.RUSAGE_SELF) - before, peak(resource.RUSAGE_CHILDREN))
        print(image, grown)


def import_heavy() -> None:
    """What is imported late is no memory that the image takes."""
    __import__("urllib3")
    __import__("zstandard")


def peak(who: int) -> int:
    """KiB."""
    return resource.getrusage(who).ru_maxrss


main()
