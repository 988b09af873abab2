"""A scenario played against a service: what it answered, with everything replaced that is another one at each run.

| in an answer | in the transcript |
|---|---|
| a container's ID, and the twelve digits that messages name it by | `<web>`, `<web:12>` |
| the ID of the image `small` | `<small>` |
| any other ID or digest | `<id 1>`, `<id 2>` … as they turn up |
| a moment, a duration since one | `<time>`, `<duration>` |
| PIDs, inode numbers of namespaces, figures of a running container | `<pid>`, `<inode>`, `<number>`, where they are not 0 |
| the sizes of what the host's busybox is in | `<size>` |
| podlink's version | `<version>` |
| a port of the host that the host chose, an IPv6 range of the engine's own | `<port>`, `<range>` |
| the mount of /sys/fs/cgroup, another one for each version of cgroups | `<cgroup>` |
| the mount of /dev/shm, which runc binds from where another container can have it, too | `<shm>` |
| the lines of ps | without its padding, numbers as `#` |
| the sockets of who attaches | `<socket>` |
| which busybox a shell is of | `<busybox>` |
| the engine's root, the scenario's folder | `<root>`, `$TMP` |
| the batches of GetContainerLogs with `more` | one after the other: where one ends is a matter of time |

Everything else is compared as it is.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patience import patience, until
from scenario_attached import Attached
from scenario_file import Answered, Attach, Call, Do, File, Given, Logged, Network, Scenario, Seen, Step

import podlink
from podlink.api.serving import serve
from podlink.api.varlink.client import Client
from podlink.api.varlink.service import VarlinkError
from podlink.engine.app import Engine
from podlink.engine.errors import EngineError

PODMAN = "io.projectatomic.podman"
IMAGE = "docker.io/library/small:latest"

TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( \+0000 UTC|Z)")
NEVER = "0001-01-01T00:00:00Z"
ID = re.compile(r"\b[0-9a-f]{64}\b")
OWN_RANGE = re.compile(r"\bfd[0-9a-f]{2}(?::[0-9a-f]{1,4}){3}(?=::)")
BUSYBOX = re.compile(r"BusyBox v[\d.]+ \([^)]*\)")
PORTS = ("host_port", "hostPort")
EPHEMERAL = 32768
"""From here on the host chooses free ports: ip(7), ip_local_port_range."""
VARYING = {"runningfor": "<duration>", "uptime": "<duration>", "pid": "<pid>", "Pid": "<pid>"} | dict.fromkeys(
    ["user", "uts", "pidns", "cgroup", "net", "mnt", "ipc"], "<inode>"
)
VARYING |= dict.fromkeys(["io_socket", "control_socket"], "<socket>")
FIGURES = ["cpu", "cpu_nano", "system_nano", "mem_usage", "mem_limit", "mem_perc", "block_input", "block_output"]
VARYING |= dict.fromkeys(FIGURES, "<number>")
VARYING |= dict.fromkeys(["rootfssize", "SizeRootFs", "size", "virtualSize", "Size", "VirtualSize"], "<size>")
"""By the name of the field: what stands for a value that is neither zero nor empty."""
LEADING_TO = {
    "configured": [],
    "created": ["GetAttachSockets"],
    "running": ["StartContainer"],
    "paused": ["StartContainer", "PauseContainer"],
    "exited": ["StartContainer", "WaitContainer"],
}
"""The calls by which a container that was made comes into a state."""
TABLES = {"ListContainerProcesses"}
DOCUMENTS = {"InspectContainer": "container", "InspectImage": "image"}
"""Methods that answer a document as a string, and in which field."""


@dataclass
class Stage:
    """A service with the image `small`, where one scenario after the other is played."""

    engine: Engine
    address: str
    tar: Path
    root: Path

    def play(self, scenario: Scenario, folder: Path) -> dict[int, str]:
        """What was answered, by the number of the step."""
        self._tidy()
        with ExitStack() as stack:
            play = Play(self, folder, stack)
            answers = ((number, play.step(step)) for number, step in enumerate(scenario.steps))
            return {number: answer for number, answer in answers if answer}

    def _tidy(self) -> None:
        """Nothing of the scenario before but the image, under one name, and no network."""
        containers = self.engine.containers
        for id in [each.container.id for each in reversed(containers.list())]:  # those that joined another's namespaces first
            _unless_refused(lambda id=id: containers.get(id).kill(9))  # type: ignore[misc]
            _unless_refused(lambda id=id: containers.get(id).remove(force=True))  # type: ignore[misc]
        for network in self.engine.networks.list():
            self.engine.networks.remove(network.name)
        names = [(name, image.id) for image in self.engine.images.list() for name in image.names or [image.id]]
        for name, _ in names:
            if name != IMAGE:
                self.engine.images.remove(name, force=True)
        if IMAGE not in [name for name, _ in names]:
            self.engine.images.import_image(str(self.tar), "small", changes=["CMD=/bin/sh"])


def _unless_refused(act: Callable[[], None]) -> None:
    try:
        act()
    except EngineError:
        return


@contextmanager
def stage(engine: Engine, tar: Path) -> Iterator[Stage]:
    with engine, serve(engine) as address:
        ready = Stage(engine, address, tar, engine.host.config.root)
        yield ready
        ready._tidy()


@dataclass
class Play:
    """One scenario under way. ids: what stands for an ID. waiting: calls in the background, by their alias.

    attached: who is, by the container's name.
    """

    stage: Stage
    folder: Path
    stack: ExitStack
    ids: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, "Future[str]"] = field(default_factory=dict)
    attached: dict[str, Attached] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = self.connect()
        self.ids[self.stage.engine.images.inspect("small")["Id"].removeprefix("sha256:")] = "small"

    def connect(self) -> Client:
        return self.stack.enter_context(Client.connect(self.stage.address, timeout=patience()))

    def step(self, step: Step) -> str:
        match step:
            case Given():
                self.give(step)
            case File():
                (self.folder / step.name).write_text(step.text.replace("\\n", "\n") + "\n")
                (self.folder / step.name).chmod(0o755)
            case Network():
                self.stage.engine.networks.create(step.name, step.subnet)
            case Logged():
                self.await_line(step)
            case Call(alias=""):
                return self.call(self.client, step)
            case Call():
                self.begin(step)
            case Answered():
                return self.waiting.pop(step.alias).result(patience())
            case Attach():
                self.attach(step.name)
            case Do():
                self.do(step, self.attached[step.name])
            case Seen():
                return f"< {self.line(self.attached[step.name].all())}"
        return ""

    def give(self, given: Given) -> None:
        reply = self.client.call(f"{PODMAN}.CreateContainer", create=self.filled(given.create))
        self.ids[reply["container"]] = given.name
        for method in LEADING_TO[given.state]:
            self.client.call(f"{PODMAN}.{method}", name=reply["container"])

    def attach(self, name: str) -> None:
        sockets = self.client.call(f"{PODMAN}.GetAttachSockets", name=name)["sockets"]
        self.attached[name] = Attached(sockets["io_socket"], sockets["control_socket"])
        self.stack.callback(self.attached[name].close)

    def do(self, step: Do, attached: Attached) -> None:
        match step.what:
            case "type":
                attached.type(step.text)
            case "size":
                attached.resize(*map(int, step.text.split()))
            case "see":
                attached.see(step.text)
            case "end":
                attached.end()

    def await_line(self, logged: Logged) -> None:
        with self.connect() as client:

            def lines() -> list[str]:
                written: list[str] = client.call(f"{PODMAN}.GetContainerLogs", name=logged.name)["container"]
                return written

            until(lambda: f"{logged.line}\n" in lines(), f"{logged.name} never wrote {logged.line!r}")

    def begin(self, call: Call) -> None:
        """Send it, and read the answer in a thread that ends with the scenario."""
        client = self.connect()
        answer: Future[str] = Future()
        thread = threading.Thread(target=lambda: answer.set_result(self.call(client, call)))
        thread.start()
        self.stack.callback(thread.join, patience())
        self.waiting[call.alias] = answer

    def call(self, client: Client, call: Call) -> str:
        """The answer as a line of the transcript."""
        method = call.method if "." in call.method else f"{PODMAN}.{call.method}"
        parameters = self.filled(call.parameters)
        try:
            reply = joined(list(client.stream(method, **parameters))) if call.more else client.call(method, **parameters)
        except VarlinkError as error:
            name = error.name.removeprefix(f"{PODMAN}.")
            return f"! {name} {self.line(error.parameters)}"
        if call.method == "CreateContainer":
            self.ids[reply["container"]] = parameters["create"].get("name") or "unnamed"
        if document := DOCUMENTS.get(call.method):
            reply = {document: json.loads(reply[document])}
        if call.method in TABLES:
            reply = {"container": [re.sub(r"\d[\d:]*", "#", " ".join(line.split())) for line in reply["container"]]}
        return "< " + self.line({path: chosen(reply, path) for path in call.fields} if call.fields else reply)

    def filled(self, parameters: Any) -> Any:
        """$TMP is the scenario's folder, $TAR a root file system, ID(web) a container's ID, ID12(web) the start of it."""
        text = json.dumps(parameters).replace("$TMP", str(self.folder)).replace("$TAR", str(self.stage.tar))
        names = {name: id for id, name in self.ids.items()}
        return json.loads(re.sub(r"ID(12)?\((\w+)\)", lambda found: names[found[2]][: 12 if found[1] else None], text))

    def line(self, reply: Any) -> str:
        return json.dumps(self.normal(reply), ensure_ascii=False)

    def normal(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            if value.get("destination") == "/sys/fs/cgroup":
                return "<cgroup>"
            if value.get("destination") == "/dev/shm":
                return "<shm>"
            return {self.normal(name): self.normal(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.normal(each) for each in value]
        key = key.rpartition(".")[2]
        if key in VARYING and value not in ("", "0", 0):
            return VARYING[key]
        if key in PORTS and value and int(value) >= EPHEMERAL:
            return "<port>"
        return self.normal_text(value) if isinstance(value, str) else value

    def normal_text(self, text: str) -> str:
        for place, sign in ((str(self.folder), "$TMP"), (str(self.stage.tar), "$TAR"), (str(self.stage.root), "<root>")):
            text = text.replace(place, sign)
        if text == podlink.__version__:
            return "<version>"
        text = TIME.sub(lambda found: NEVER if found[0] == NEVER else "<time>", text)
        text = ID.sub(lambda found: f"<{self.ids.setdefault(found[0], f'id {len(self.ids)}')}>", text)
        for id, name in self.ids.items():
            text = text.replace(id[:12], f"<{name}:12>")
        text = BUSYBOX.sub("<busybox>", OWN_RANGE.sub("<range>", text))
        return re.sub(r"/proc/\d+/ns/", "/proc/<pid>/ns/", text)


def joined(replies: list[dict[str, Any]]) -> dict[str, Any]:
    """What a stream told, in one piece."""
    if len(replies) == 1:
        return replies[0]
    (key,) = {key for reply in replies for key in reply}
    return {key: [line for reply in replies for line in reply[key]]}


def chosen(reply: Any, path: str) -> Any:
    """The part of the reply that the dotted path names; a list is gone through."""
    for name in path.split("."):
        reply = [each[name] for each in reply] if isinstance(reply, list) else reply[name]
    return reply
