#!/usr/bin/env python3
"""The main job, through the socket, with podlink's own client: an image, a container of it, its whole life, and nothing left.

    make run

Read `main_job` first: each line is one call of the interface io.projectatomic.podman and what a person would like to
know of its answer. The service runs in a temporary folder; the podlink of this host, if there is one, is not touched.
"""

import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

import image
import podlink
from podlink.api.varlink.client import Client
from podlink.api.varlink.service import VarlinkError
from service import Choice, Service, ServiceFailed, choose, serving

PODMAN = "io.projectatomic.podman"
NAME, IMAGE = "hello", "podlink-demo"
COMMAND = ["sh", "-c", "trap 'echo goodbye; exit 0' TERM; echo hello; while :; do echo tick; sleep 0.2 & wait; done"]
LINES = 4
"""How many lines of the log to follow before going on."""

Reply = dict[str, Any]
Telling = Callable[[Reply], str | Iterable[str]]


def main_job(ask: "Caller", tar: Path) -> None:
    """A container from nothing to nothing. Every call is made on the real service; a refusal ends the demonstration."""
    ask("GetVersion", lambda reply: "podlink {version}, {go_version}, {os_arch}".format(**reply["version"]))
    imported = ask("ImportImage", lambda reply: f"image {short(reply['image'])}", source=str(tar), reference=IMAGE)
    ask("CreateContainer", a_container, create={"image": IMAGE, "name": NAME, "command": COMMAND, "net_mode": "none"})
    ask("StartContainer", a_container, name=NAME)
    ask.follow("GetContainerLogs", LINES, name=NAME)
    ask("GetContainerStats", figures, name=NAME)
    ask("ListContainerProcesses", lambda reply: reply["container"], name=NAME)
    ask("ListContainers", rows)
    ask("PauseContainer", a_container, name=NAME)
    ask("GetContainer", lambda reply: f"status {reply['container']['status']}", name=NAME)
    ask("UnpauseContainer", a_container, name=NAME)
    ask("StopContainer", a_container, name=NAME, timeout=5)
    ask("WaitContainer", lambda reply: f"exit status {reply['exitcode']}", name=NAME)
    ask("GetContainerLogs", lambda reply: ["…", *reply["container"][-2:]], name=NAME)
    ask("RemoveContainer", a_container, name=NAME)
    ask("RemoveImage", lambda reply: f"image {short(reply['image'])}", name=imported["image"])


# --- what an answer says to a person --------------------------------------------------------------------------------------


def short(identifier: str) -> str:
    """The twelve digits that people know an ID by."""
    return identifier[:12]


def a_container(reply: Reply) -> str:
    return f"container {short(reply['container'])}"


def figures(reply: Reply) -> str:
    found = reply["container"]
    memory, limit = found["mem_usage"] / 2**20, found["mem_limit"] / 2**30
    return f"cpu {found['cpu']:.1f}%, memory {memory:.1f} MiB of {limit:.1f} GiB, {found['pids']} processes"


def rows(reply: Reply) -> Iterable[str]:
    for found in reply["containers"]:
        yield f"{short(found['id'])}  {found['names']}  {found['image']}  {found['status']} since {found['runningfor']}"


# --- calling and showing ---------------------------------------------------------------------------------------------------


class Caller:
    """Makes calls and shows each with its arguments, its answer and the milliseconds that it took."""

    def __init__(self, client: Client, address: str, screen: "Screen") -> None:
        self.client = client
        self.address = address
        self.screen = screen

    def __call__(self, method: str, tell: Telling, **parameters: Any) -> Reply:
        self.screen.call(method, parameters)
        began = time.perf_counter()
        reply = self.client.call(f"{PODMAN}.{method}", **parameters)
        self.screen.took(time.perf_counter() - began)
        told = tell(reply)
        for line in [told] if isinstance(told, str) else told:
            self.screen.answer(line)
        return reply

    def follow(self, method: str, lines: int, **parameters: Any) -> None:
        """Show lines as they come, each with the time since the call, and hang up after some."""
        self.screen.call(f"{method} (more)", parameters)
        self.screen.end_line()
        began = time.perf_counter()
        with Client.connect(self.address) as follower:
            for reply in follower.stream(f"{PODMAN}.{method}", **parameters):
                for line in reply["container"]:
                    self.screen.answer(line, time.perf_counter() - began)
                    lines -= 1
                if lines <= 0:
                    return


class Screen:
    """Lines of three columns: the call or its answer, its arguments, and a time at the right. Colour only on a terminal."""

    METHOD, ARGUMENTS = 25, 65

    def __init__(self) -> None:
        self.colour = sys.stdout.isatty()

    def paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def call(self, method: str, parameters: Reply) -> None:
        arguments = fit(", ".join(f"{name}: {spell(value)}" for name, value in parameters.items()), self.ARGUMENTS)
        print(f"  {self.paint('1;36', method.ljust(self.METHOD))}{self.paint('2', arguments)}", end="", flush=True)

    def took(self, seconds: float) -> None:
        self.end_line(f"{seconds * 1000:8.1f} ms")

    def end_line(self, text: str = "") -> None:
        print(self.paint("33", text), flush=True)

    def answer(self, line: str, after: float | None = None) -> None:
        shown = fit(f"    {line.rstrip()}", self.METHOD + self.ARGUMENTS)
        moment = self.paint("33", f"{after * 1000:8.1f} ms") if after is not None else ""
        print(f"  {shown if moment else shown.rstrip()}{moment}", flush=True)

    def say(self, text: str = "") -> None:
        print(text, flush=True)


def spell(value: Any) -> str:
    """A value as its shortest unmistakable text."""
    match value:
        case dict():
            return "{" + ", ".join(f"{name}: {spell(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(spell(each) for each in value) + "]"
        case _:
            return str(value)


def fit(text: str, width: int) -> str:
    """The text in exactly so many columns."""
    return (text if len(text) < width else text[: width - 2] + "…").ljust(width)


# --- the demonstration -------------------------------------------------------------------------------------------------------


def demonstrate(choice: Choice, screen: Screen) -> bool:
    """Serve, do the main job, clean up. Whether all of it went well."""
    with serving(choice, "--verbose") as service:
        screen.say(f"Serving on {service.address}\n")
        try:
            with Client.connect(service.address) as client:
                main_job(Caller(client, service.address, screen), image.write(service.folder / "busybox.tar"))
        except (VarlinkError, OSError, EOFError) as error:
            screen.say(f"\n\nThis failed: {error}\nThe service's log:\n{service.log.read_text()}")
            return False
        return show_the_end(service, screen)


def show_the_end(service: Service, screen: Screen) -> bool:
    """End the service and look for what it left on the host."""
    status, left = service.end(), service.leftovers()
    if status != 0 or left:
        screen.say(
            f"\nThe service ended with status {status} and left: {', '.join(left) or 'nothing'}\n{service.log.read_text()}"
        )
        return False
    screen.say("\nThe service has ended. No mount, no process, no cgroup of it is left, and its folder goes now.")
    return True


HOW_TO_SERVE = """
To serve for real (the socket is root's, and whoever may write to it is root):

    sudo .venv/bin/podlink serve

It listens on unix:/run/podman/io.projectatomic.podman. A first call, from Python:

    from podlink.api.varlink.client import Client
    with Client.connect("unix:/run/podman/io.projectatomic.podman") as client:
        print(client.call("io.projectatomic.podman.GetVersion"))"""


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """0: all went well; 1: something failed; 130: interrupted. Nothing is left in any case."""
    signal.signal(signal.SIGTERM, interrupt)
    screen, choice = Screen(), choose()
    screen.say(f"podlink {podlink.__version__}: one container's life over the varlink interface {PODMAN}")
    if choice.why:
        screen.say(f"The emulator stands in for the kernel, because {choice.why}.")
    else:
        screen.say("Real containers: runc, overlayfs, a cgroup of their own.")
    try:
        if not demonstrate(choice, screen):
            return 1
    except ServiceFailed as error:
        screen.say(f"\n{error}")
        return 1
    except KeyboardInterrupt:
        screen.say("\nInterrupted; everything is cleaned up.")
        return 130
    screen.say(HOW_TO_SERVE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
