"""Processes that change the network of one container and die by SIGKILL at a step. `python crash_nursery.py CONFIG`

Each line of the input is VERB CONTAINER STEP, VERB one of `attach` and `detach`. The answer is a line: the change that was the
last one, or `whole` where there were fewer steps. What takes long, importing, is done once, before the first is forked.
"""

import os
import signal
import sys
from importlib import import_module

from podlink.engine.app import open_host
from podlink.engine.config import Config
from podlink.engine.network.driver import Wish
from podlink.engine.oci.spec.values import IDMaps, IDRange, Port
from podlink.engine.testing.faults import Step, each_change

OWN = (IDRange(0, 100000, 65536),)
WISH = Wish(mode="bridge", ports=(Port(80, 8080), Port(53, 5353, "udp")), users=IDMaps(OWN, OWN))


def act(config: Config, verb: str, container: str, number: int) -> None:
    def trip(step: Step) -> None:
        if step.number == number:
            print(" ".join(step.name.split()), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    with open_host(config) as host, each_change(trip):
        if verb == "attach":
            host.network.attach(container, WISH).close()
        else:
            host.network.detach(container)
    print("whole", flush=True)


def done(config: Config, verb: str, container: str, number: int) -> str:
    """What the child says that does it, once it is dead."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(tell, sys.stdout.fileno())
            act(config, verb, container, number)
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(tell)
    with os.fdopen(told) as words:
        os.waitpid(child, 0)
        return words.read().strip()


def main() -> None:
    import_module("pyroute2")
    config = Config.from_text(sys.argv[1])
    for line in sys.stdin:
        verb, container, number = line.split()
        print(done(config, verb, container, int(number)), flush=True)


if __name__ == "__main__":
    main()
