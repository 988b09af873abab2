"""Scenarios as text: what clients call, one after the other, and what they are answered. `fixtures/scenarios` is full of them.

    == a paused container is not paused again            a scenario and its name, unique in all files
    given paused web: sleep 1000                          what there is before: a container of the image `small`
    > PauseContainer {"name": "web"}                      a call; `>>` with `more`
    ! ErrorOccurred {"reason": "cannot pause …"}          its answer: `!` an error, `<` a reply
    > GetContainer {"name": "web"} | container.status     only these fields of the reply are of interest
    < {"container.status": "paused"}

    given web {"rm": true}: sh -c "exit 3"                configured (no word), created, running, paused, exited; fields of
                                                          Create; argv
    file page.txt: hello                                  an executable file in the scenario's own folder, which is $TMP
    network backend 10.99.0.0/24                          a network that containers may name, with this range
    log web: ready                                        wait until the container has written this line
    & first WaitContainer {"name": "web"}                 a call that is not waited for, on a connection of its own
    & first                                               its answer
    attach web                                            go to the container's sockets
    type web: hello\\n                                    to who is there; `^D` and `^C` are keys
    size web: 24 80                                       the terminal's rows and columns
    end web                                               the end of its stdin
    see web: hello                                        wait until this has come, behind what was seen so before
    seen web                                              all that has come when the container has ended, by stream: an answer
    # …                                                   a remark

A line of another form is refused by its number: a scenario that is not understood must not pass.
"""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "scenarios"
SUFFIX = ".scenario"


@dataclass(frozen=True)
class Given:
    """A container in a state, made by calls that are not part of the transcript."""

    state: str
    name: str
    create: dict[str, Any]


@dataclass(frozen=True)
class File:
    name: str
    text: str


@dataclass(frozen=True)
class Network:
    name: str
    subnet: str


@dataclass(frozen=True)
class Logged:
    """Wait for a line in a container's log."""

    name: str
    line: str


@dataclass(frozen=True)
class Call:
    """more: as the flag on the wire. fields: of the reply, by their dotted paths; none: all. alias: of one in the background."""

    method: str
    parameters: dict[str, Any]
    more: bool = False
    fields: tuple[str, ...] = ()
    alias: str = ""


@dataclass(frozen=True)
class Answered:
    """The answer to a call in the background."""

    alias: str


@dataclass(frozen=True)
class Attach:
    name: str


@dataclass(frozen=True)
class Do:
    """Something that whoever is attached does: `type`, `size`, `end` or `see`."""

    what: str
    name: str
    text: str = ""


@dataclass(frozen=True)
class Seen:
    """All that whoever is attached was shown."""

    name: str


Step = Given | File | Network | Logged | Call | Answered | Attach | Do | Seen
TELLING = (Call, Answered, Seen)
"""Steps that an answer belongs to."""


@dataclass
class Scenario:
    """expected: the answers, by the number of the step that they are to. lines: of each step, as it stands in the file."""

    name: str
    file: Path
    steps: list[Step] = field(default_factory=list)
    expected: dict[int, str] = field(default_factory=dict)


GIVEN = re.compile(r"given (?:(created|running|paused|exited) )?([\w.-]+) ?(?=[:{])")
CALL = re.compile(r"([\w.]+)\s*")
DECODER = json.JSONDecoder()


def scenarios() -> list[Scenario]:
    """All that there are, by file and in their order."""
    return [each for path in sorted(FOLDER.glob(f"*{SUFFIX}")) for each in read(path)]


def read(path: Path) -> Iterator[Scenario]:
    """The scenarios of one file. Raises ValueError naming file and line."""
    scenario: Scenario | None = None
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            if line.startswith("== "):
                if scenario:
                    yield scenario
                scenario = Scenario(line[3:], path)
            elif line.strip() and not line.startswith("#"):
                if scenario is None:
                    raise ValueError("before the first scenario there are only remarks")
                _take(scenario, line)
        except (ValueError, KeyError) as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from error
    if scenario:
        yield scenario


def _take(scenario: Scenario, line: str) -> None:
    if line.startswith(("< ", "! ")):
        if not scenario.steps or not isinstance(scenario.steps[-1], TELLING):
            raise ValueError("an answer comes after a call")
        scenario.expected[len(scenario.steps) - 1] = line
        return
    scenario.steps.append(_step(line))


def _step(line: str) -> Step:
    mark, _, rest = line.partition(" ")
    match mark:
        case ">" | ">>":
            return _call(rest, more=mark == ">>")
        case "&":
            alias, _, call = rest.partition(" ")
            return _call(call, alias=alias) if call else Answered(alias)
        case "file":
            name, text = _pair(rest)
            return File(name, text)
        case "network":
            name, subnet = rest.split()
            return Network(name, subnet)
        case "log":
            name, text = _pair(rest)
            return Logged(name, text)
        case "attach":
            return Attach(rest)
        case "type" | "size" | "see":
            return Do(mark, *_pair(rest))
        case "end":
            return Do(mark, rest)
        case "seen":
            return Seen(rest)
        case "given":
            return _given(line)
    raise ValueError(f"{line!r} is no step")


def _pair(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(": ")
    if not colon:
        raise ValueError(f"{text!r} is not NAME: TEXT")
    return name, value


def _call(text: str, *, more: bool = False, alias: str = "") -> Call:
    if not (method := CALL.match(text)):
        raise ValueError(f"{text!r} does not begin with a method")
    has_parameters = text[method.end() :].startswith("{")
    parameters, end = DECODER.raw_decode(text, method.end()) if has_parameters else ({}, method.end())
    fields = text[end:].strip()
    if fields and not fields.startswith("|"):
        raise ValueError(f"{fields!r} after the parameters")
    return Call(method[1], parameters, more, tuple(fields[1:].split()), alias)


def _given(line: str) -> Given:
    if not (found := GIVEN.match(line)):
        raise ValueError(f"{line!r} is not: given [created|running|paused|exited] NAME [FIELDS]: COMMAND")
    fields, end = DECODER.raw_decode(line, found.end()) if line[found.end()] == "{" else ({}, found.end())
    create = {"image": "small", "name": found[2], "net_mode": "none", "command": shlex.split(line[end:].removeprefix(":"))}
    return Given(found[1] or "configured", found[2], create | fields)
