"""The options of ps(1), taken apart: which processes, and how they are shown. ps(1), procps

    -eo pid,comm --sort=-pid       everything    -o pid,comm --sort=-pid
    aux                            everything    u
    -f -u www-data                 -u www-data   -f

Three ways of writing them go together: `-e` (clusters with a dash), `aux` (clusters without), `--pid 1` (words). An option that
takes a value has it behind it in its word, or in the next one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from podlink.engine.errors import ErrorOccurred

DASHED = {"everything": "Ae", "chooses": "adN", "chooses by value": "CGgpqstuU", "with value": "OoDn"}
BARE = {"everything": "axg", "chooses": "Tr", "chooses by value": "Upqt", "with value": "OokN"}
"""What a letter says about the choice of processes; the others say how it is shown, and stand alone."""
CHOOSING = ("Group", "User", "group", "pid", "ppid", "quick-pid", "sid", "tty", "user")
WITH_VALUE = ("format", "cols", "columns", "width", "lines", "rows", "sort", "date-format", "help")


@dataclass(frozen=True, slots=True)
class Options:
    """choice: the words that choose some processes; empty is every one. shown: the words that say how."""

    choice: tuple[str, ...]
    shown: tuple[str, ...]


def parse(options: Sequence[str]) -> Options:
    """Raises ErrorOccurred for an option whose value is missing."""
    found: dict[str, list[str]] = {"everything": [], "choice": [], "shown": []}
    words = iter(options)
    for word in words:
        for kind, parts in _word(word, words, options):
            found[kind] += parts
    return Options(() if found["everything"] else tuple(found["choice"]), tuple(found["shown"]))


def _word(word: str, words: Iterator[str], options: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    if word.startswith("--"):
        name, equals, _ = word[2:].partition("=")
        takes = name in CHOOSING or name in WITH_VALUE
        kind = "choice" if name in CHOOSING or name == "deselect" else "shown"
        yield kind, [word] if equals or not takes else [word, _value(words, word, options)]
    elif re.fullmatch(r"-?[0-9][0-9,]*", word):
        yield "choice", ["--sid" if word.startswith("-") else "--pid", word.lstrip("-")]
    elif re.fullmatch(r"-a[xw]*ux?w*", word):  # what people mean by `-aux` is `aux`, though -u takes a value
        yield from _cluster("", word[1:], BARE, words, options)
    elif word.startswith("-"):
        yield from _cluster("-", word[1:], DASHED, words, options)
    else:
        yield from _cluster("", word, BARE, words, options)


def _cluster(
    dash: str, letters: str, known: dict[str, str], words: Iterator[str], options: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    """Letters one by one; behind one that takes a value, the rest of the word is that."""
    plain = ""
    for place, letter in enumerate(letters):
        rest = letters[place + 1 :]
        if letter in known["everything"]:
            yield "everything", [letter]
        elif letter in known["chooses"]:
            yield "choice", [dash + letter]
        elif letter in known["chooses by value"] + known["with value"]:
            kind = "choice" if letter in known["chooses by value"] else "shown"
            yield kind, [dash + letter, rest or _value(words, dash + letter, options)]
            break
        else:
            plain += letter
    if plain:
        yield "shown", [dash + plain]


def _value(words: Iterator[str], option: str, options: Sequence[str]) -> str:
    if (value := next(words, None)) is None:
        raise ErrorOccurred(f"ps {' '.join(options)}: {option} takes a value, and none follows")
    return value
