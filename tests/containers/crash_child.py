"""Run one verb on a real root and die by SIGKILL at its n-th step. `python crash_child.py CONFIG VERB N`."""

import os
import signal
import sys

from podlink.engine.app import open_host
from podlink.engine.config import Config
from podlink.engine.containers.attach import attach_sockets
from podlink.engine.containers.commit import commit
from podlink.engine.containers.create import create
from podlink.engine.containers.pause import pause, unpause
from podlink.engine.containers.remove import remove
from podlink.engine.containers.request import CreateRequest
from podlink.engine.containers.start import start
from podlink.engine.containers.stop import restart, stop
from podlink.engine.images.import_ import import_image
from podlink.engine.testing.faults import Step, wired

VERBS = {
    "create": lambda host: create(host, CreateRequest(image="small", command=("true",), name="web")),
    "start": lambda host: start(host, "web"),
    "attach": lambda host: attach_sockets(host, "web"),
    "start-created": lambda host: start(host, "web"),
    "stop": lambda host: stop(host, "web", 0),
    "restart": lambda host: restart(host, "web", 0),
    "pause": lambda host: pause(host, "web"),
    "unpause": lambda host: unpause(host, "web"),
    "remove": lambda host: remove(host, "web"),
    "commit": lambda host: commit(host, "web", "fresh"),
    "import": lambda host: import_image(host, sys.argv[4], "fresh"),
}


def main() -> None:
    """Exits with 0 when the verb had fewer steps than that."""
    text, verb, number = sys.argv[1:4]

    def trip(step: Step) -> None:
        if step.number == int(number):
            print(step.name, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    with open_host(Config.from_text(text)) as host:
        VERBS[verb](wired(host, trip))


main()
