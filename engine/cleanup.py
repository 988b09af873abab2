"""What a monitor runs when its container has ended and no engine was there to clean up after it.

Takes the container's lock, undoes what the run held on the host, writes down how it ended, and removes the container
where it was to be removed (`rm`). `engine/app.py` builds the command line: the configuration as JSON, and the ID.
"""

import sys

from podlink.engine.app import open_host
from podlink.engine.config import Config
from podlink.engine.containers.reconcile import conclude_one


def main() -> None:
    """Open the host, conclude the one container, and go."""
    text, container = sys.argv[1:3]
    with open_host(Config.from_text(text)) as host:
        conclude_one(host, container)


if __name__ == "__main__":
    main()
