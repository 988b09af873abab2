"""Pull two images at once into one engine that may open 1,024 files. `python two_pulls.py CONFIG PLACE PLACE`.

It says both IDs, and how many descriptors were open at most.
"""

import resource
import sys
import threading
from pathlib import Path

from podlink import Engine
from podlink.engine.config import Config

FILES = 1024


def main() -> None:
    text, *places = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    pulled: dict[str, str] = {}
    most = [0]

    def note(blob: object, size: int) -> None:
        most.append(max(most[-1], sum(1 for _ in Path("/proc/self/fd").iterdir())))

    with Engine.open(Config.from_text(text)) as engine:

        def pull(place: str) -> None:
            pulled[place] = engine.images.pull(place, note)

        threads = [threading.Thread(target=pull, args=(place,)) for place in places]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(*(pulled[place] for place in places), most[-1])


main()
