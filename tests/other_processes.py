"""Functions run in processes of their own, for tests of what several processes do to one thing."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

Start = Callable[..., tuple[SpawnProcess, Connection]]


@contextmanager
def processes() -> Iterator[Start]:
    """What runs a module's function in a process of its own, which ends with the block at the latest.

    The function gets a place, its end of a pipe, and what more there is; the answer is the process and our end.
    """
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:

        def run(function: Callable[..., None], place: object, *arguments: object) -> tuple[SpawnProcess, Connection]:
            ours, theirs = context.Pipe()
            process = context.Process(target=function, args=(place, theirs, *arguments))
            process.start()
            theirs.close()
            stack.callback(ours.close)
            stack.callback(process.join)
            stack.callback(process.kill)
            return process, ours

        yield run
