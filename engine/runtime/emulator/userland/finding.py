"""find(1): what lies below, of which something is true, and what is done with it.

expression    conjunction -o conjunction …
conjunction   negation [-a] negation …
negation      ! negation, ( expression ), a test, an action

Each becomes a function of a file; what it answers decides whether what stands behind it is asked.
"""

import os
import posixpath
import re
import stat as kinds
from collections.abc import Callable
from dataclasses import dataclass, field

from podlink.engine.runtime.emulator import users
from podlink.engine.runtime.emulator.process import Exited, Process
from podlink.engine.runtime.emulator.tree import Tree
from podlink.engine.runtime.emulator.userland.attributes import KINDS
from podlink.engine.runtime.emulator.userland.command import complain, refused
from podlink.engine.runtime.emulator.userland.files import place, target
from podlink.engine.runtime.emulator.userland.patterns import fits
from podlink.engine.runtime.emulator.userland.system import become

SIZES = {"c": 1, "w": 2, "b": 512, "k": 1024, "": 512}
DAY, MINUTE = 86_400, 60
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """path: as it is told. depth: below where the search began."""

    path: str
    depth: int
    status: os.stat_result


Rule = Callable[[Entry], bool]


@dataclass
class Search:
    """What an expression says beside what is true of a file. stop: nothing more is looked at."""

    least: int = 0
    most: int = 2**31
    deepest_first: bool = False
    is_silent: bool = False
    """Whether it has an action of its own."""
    pruned: bool = False
    stop: bool = False
    status: int = 0
    gathered: list[tuple[list[str], list[str]]] = field(default_factory=list)
    """For each `-exec … +` its command, and the paths."""


def find(process: Process) -> int:
    """find [PATH]… [EXPRESSION]: see find(1) for its words; each that is not known is refused."""
    words = process.argv[1:]
    paths = []
    while words and not words[0].startswith("-") and words[0] not in ("!", "("):
        paths.append(words.pop(0))
    search = Search()
    rule = _Expression(process, words, search).whole()
    for path in paths or ["."]:
        _walk(process, search, rule, path, 0)
    for command, found in search.gathered:
        if found and _run(process, [*command, *found]):
            search.status = 1
    return search.status


def _walk(process: Process, search: Search, rule: Rule, path: str, depth: int) -> None:
    if search.stop:
        return
    try:
        entry = Entry(path, depth, process.call(lambda: place(process, path, follow=False).lstat()))
        is_folder = kinds.S_ISDIR(entry.status.st_mode)
        search.pruned = False
        if not search.deepest_first and depth >= search.least:
            rule(entry)
        if is_folder and depth < search.most and not search.pruned:
            for name in process.call(lambda: sorted(each.name for each in place(process, path).iterdir())):
                _walk(process, search, rule, f"{path.rstrip('/')}/{name}", depth + 1)
        if search.deepest_first and depth >= search.least and not search.stop:
            rule(entry)
    except OSError as error:
        search.status = refused(process, path, error)


def _run(process: Process, argv: list[str]) -> int:
    child = process.fork(lambda child: become(child, argv, process.env, "{}"), process.argv)
    return process.wait(child).status


class _Expression:
    """Words become a rule. What is no expression ends the command, in busybox's words."""

    def __init__(self, process: Process, words: list[str], search: Search) -> None:
        self._process, self._words, self._search = process, words, search

    def whole(self) -> Rule:
        rule = self._disjunction() if self._words else lambda entry: True
        if self._words:
            raise self._unknown(self._words[0])
        if self._search.is_silent:
            return rule
        return lambda entry: rule(entry) and self._print(entry.path + "\n")

    def _unknown(self, word: str) -> Exited:
        return Exited(complain(self._process, f"unrecognized: {word}"))

    def _disjunction(self) -> Rule:
        rules = [self._conjunction()]
        while self._words[:1] in (["-o"], ["-or"]):
            self._words.pop(0)
            rules.append(self._conjunction())
        return lambda entry: any(rule(entry) for rule in rules)

    def _conjunction(self) -> Rule:
        rules = [self._negation()]
        while self._words and self._words[0] not in ("-o", "-or", ")"):
            if self._words[0] in ("-a", "-and"):
                self._words.pop(0)
            rules.append(self._negation())
        return lambda entry: all(rule(entry) for rule in rules)

    def _negation(self) -> Rule:
        word = self._words.pop(0) if self._words else ""
        if word in ("!", "-not"):
            inner = self._negation()
            return lambda entry: not inner(entry)
        if word == "(":
            rule = self._disjunction()
            if self._words[:1] != [")"]:
                raise Exited(complain(self._process, "unpaired '('"))
            self._words.pop(0)
            return rule
        return self._primary(word)

    def _primary(self, word: str) -> Rule:
        plain: dict[str, Callable[[], Rule]] = {
            "-print": lambda: self._action(lambda entry: self._print(entry.path + "\n")),
            "-print0": lambda: self._action(lambda entry: self._print(entry.path + "\0")),
            "-exec": lambda: self._action(self._exec()),
            "-delete": lambda: self._action(self._delete()),
            "-quit": lambda: self._action(lambda entry: self._set("stop", True)),
            "-prune": lambda: lambda entry: self._set("pruned", True),
            "-depth": lambda: self._always("deepest_first", True),
            "-xdev": lambda: lambda entry: True,  # there is one file system
            "-empty": lambda: self._is_empty,
            "-true": lambda: lambda entry: True,
            "-false": lambda: lambda entry: False,
        }
        if word in plain:
            return plain[word]()
        if word not in VALUED:
            raise self._unknown(word)
        if not self._words:
            raise Exited(complain(self._process, f"{word} requires an argument"))
        return self._test(word, self._words.pop(0))

    def _test(self, word: str, value: str) -> Rule:
        if word in ("-maxdepth", "-mindepth"):
            if not value.isdecimal():
                raise Exited(complain(self._process, f"invalid number '{value}'"))
            return self._always("most" if word == "-maxdepth" else "least", int(value))
        process, tree, now = self._process, self._process.tree, self._process.run.clock.now() / 1e9

        def owner(entry: Entry) -> tuple[int, int]:
            return tree.owners.of(place(process, entry.path, follow=False), entry.status)

        tests: dict[str, Callable[[], Rule]] = {
            "-name": lambda: lambda entry: fits(value, _base(entry.path)),
            "-iname": lambda: lambda entry: fits(value.lower(), _base(entry.path).lower()),
            "-path": lambda: lambda entry: fits(value, entry.path),
            "-type": lambda: lambda entry: KINDS[kinds.S_IFMT(entry.status.st_mode)][0] == value,
            "-perm": lambda: self._permissions(value),
            "-size": lambda: self._size(value),
            "-newer": lambda: self._newer(value),
            "-mtime": lambda: self._number(value, lambda entry: int((now - entry.status.st_mtime) // DAY)),
            "-mmin": lambda: self._number(value, lambda entry: int((now - entry.status.st_mtime) // MINUTE)),
            "-user": lambda: lambda entry: value in _called(owner(entry)[0], users.user_name, tree),
            "-group": lambda: lambda entry: value in _called(owner(entry)[1], users.group_name, tree),
        }
        return tests[word]()

    def _number(self, text: str, measure: Callable[[Entry], int]) -> Rule:
        """`N`, `+N` for more, `-N` for less."""
        if not re.fullmatch(r"[-+]?\d+", text):
            raise Exited(complain(self._process, f"invalid number '{text}'"))
        wanted = int(text.lstrip("+-"))
        if text[0] in "+-":
            return lambda entry: (measure(entry) > wanted) if text[0] == "+" else (measure(entry) < wanted)
        return lambda entry: measure(entry) == wanted

    def _size(self, text: str) -> Rule:
        unit = SIZES.get(text[-1:] if text[-1:].isalpha() else "", 0)
        if not unit:
            raise Exited(complain(self._process, f"invalid number '{text}'"))
        sign = text[0] if text[0] in "+-" else ""
        digits = text.strip("+-cwbk")
        return self._number(f"{sign}{int(digits) * unit if digits.isdecimal() else text}", lambda entry: entry.status.st_size)

    def _permissions(self, text: str) -> Rule:
        """`MODE`, `-MODE` for all of these bits, `/MODE` for any."""
        if not re.fullmatch(r"[-/]?[0-7]{1,4}", text):
            raise Exited(complain(self._process, f"invalid mode '{text}'"))
        bits = int(text.lstrip("-/"), 8)
        if text[0] == "-":
            return lambda entry: entry.status.st_mode & bits == bits
        if text[0] == "/":
            return lambda entry: bool(entry.status.st_mode & bits) or not bits
        return lambda entry: kinds.S_IMODE(entry.status.st_mode) == bits

    def _newer(self, path: str) -> Rule:
        try:
            moment = int(self._process.call(lambda: place(self._process, path).stat()).st_mtime)
        except OSError as error:
            raise Exited(refused(self._process, path, error)) from None
        return lambda entry: int(entry.status.st_mtime) > moment

    def _is_empty(self, entry: Entry) -> bool:
        if kinds.S_ISDIR(entry.status.st_mode):
            return not self._process.call(lambda: any(place(self._process, entry.path).iterdir()))
        return kinds.S_ISREG(entry.status.st_mode) and entry.status.st_size == 0

    # Actions

    def _action(self, rule: Rule) -> Rule:
        self._search.is_silent = True
        return rule

    def _always(self, name: str, value: int) -> Rule:
        """What is said of the whole search, wherever it stands."""
        setattr(self._search, name, value)
        return lambda entry: True

    def _set(self, name: str, value: bool) -> bool:
        setattr(self._search, name, value)
        return True

    def _print(self, text: str) -> bool:
        self._process.write(1, text)
        return True

    def _exec(self) -> Rule:
        """`-exec COMMAND ;` for each, `{}` in its words being the path; `-exec COMMAND {} +` once for all."""
        pairs = zip(["", *self._words], self._words, strict=False)
        ends = [number for number, pair in enumerate(pairs) if pair[1] == ";" or pair == ("{}", "+")]
        if not ends:
            raise Exited(complain(self._process, "-exec requires an argument"))
        command, end = self._words[: ends[0]], self._words[ends[0]]
        del self._words[: ends[0] + 1]
        if end == ";":
            return lambda entry: not _run(self._process, [word.replace("{}", entry.path) for word in command])
        found: list[str] = []
        self._search.gathered.append((command[:-1], found))

        def gather(entry: Entry) -> bool:
            found.append(entry.path)
            return True

        return gather

    def _delete(self) -> Rule:
        self._search.deepest_first = True

        def delete(entry: Entry) -> bool:
            if _base(entry.path) in (".", ".."):
                return True

            def remove() -> None:
                host = target(self._process, entry.path)
                host.rmdir() if kinds.S_ISDIR(entry.status.st_mode) else host.unlink()

            try:
                self._process.call(remove)
            except OSError as error:
                self._search.status = refused(self._process, entry.path, error)
            return True

        return delete


VALUED = (
    *("-maxdepth", "-mindepth", "-name", "-iname", "-path", "-type", "-perm", "-size", "-newer", "-mtime", "-mmin"),
    *("-user", "-group"),
)


def _base(path: str) -> str:
    return posixpath.basename(path.rstrip("/")) or "/"


def _called(number: int, name: Callable[[Tree, int], str | None], tree: Tree) -> tuple[str, ...]:
    """What a user or group is called: by name, where there is one, and by number."""
    return (name(tree, number) or str(number), str(number))
