"""Patterns of the shell: `*`, `?`, `[…]`, against strings and against the names of files. POSIX, XCU 2.13.

A pattern is text in which what was quoted has a backslash before it.
"""

import fnmatch
import re
from collections.abc import Iterator

from podlink.engine.runtime.emulator.process import Process

MAGIC = re.compile(r"(?<!\\)(?:\\\\)*[*?\[]")


def escaped(text: str) -> str:
    """The pattern that fits just this text."""
    return re.sub(r"([*?\[\]\\!-])", r"\\\1", text)


def plain(pattern: str) -> str:
    """The text that a pattern without magic stands for."""
    return re.sub(r"\\(.)", r"\1", pattern, flags=re.DOTALL)


def expression(pattern: str) -> str:
    """The same as a regular expression."""
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\" and at + 1 < len(pattern):
            out += re.escape(pattern[at + 1])
            at += 2
        elif char == "[" and (end := _bracket_end(pattern, at)):
            inner = pattern[at + 1 : end].replace("\\", "")
            out += fnmatch.translate(f"[{inner}]")[4:-3]  # what it puts around: (?s: and )\Z
            at = end + 1
        else:
            out += {"*": ".*", "?": "."}.get(char, re.escape(char))
            at += 1
    return out


def _bracket_end(pattern: str, at: int) -> int:
    """Where the `]` is; 0: there is none, and the `[` means itself."""
    start = at + 2 if pattern[at + 1 : at + 2] in ("!", "^") else at + 1
    return max(pattern.find("]", start + 1), 0)


def fits(pattern: str, text: str) -> bool:
    """Whether the pattern fits the whole text."""
    return re.fullmatch(expression(pattern), text, re.DOTALL) is not None


def without(pattern: str, text: str, operator: str) -> str:
    """The text less what the pattern fits: `#` and `##` from its beginning, `%` and `%%` from its end, the doubled the
    longest.
    """
    cuts = range(len(text) + 1) if operator in ("#", "%%") else range(len(text), -1, -1)
    for cut in cuts:
        removed, kept = (text[:cut], text[cut:]) if operator[0] == "#" else (text[cut:], text[:cut])
        if fits(pattern, removed):
            return kept
    return text


def replaced(pattern: str, text: str, other: str, everywhere: bool) -> str:
    """The text with `other` in place of what the pattern fits first, or of all that it fits: the longest each time."""
    if not pattern:
        return text
    return re.sub(
        expression(pattern), lambda found: other if found[0] else "", text, count=0 if everywhere else 1, flags=re.DOTALL
    )


def files(process: Process, pattern: str) -> list[str]:
    """The paths that a pattern fits, sorted; empty where it has no magic or fits none."""
    if not MAGIC.search(pattern):
        return []
    rooted = pattern.startswith("/")
    return sorted(_walk(process, "/" if rooted else "", [name for name in pattern.split("/") if name]))


def _walk(process: Process, before: str, names: list[str]) -> Iterator[str]:
    if not names:
        yield before.rstrip("/")
        return
    name, rest = names[0], names[1:]
    slash = "" if not before or before.endswith("/") else "/"
    try:
        folder = process.tree.host(before or ".", process.directory)
        if not MAGIC.search(name):
            found = [plain(name)] if (folder / plain(name)).exists() or (folder / plain(name)).is_symlink() else []
        else:
            hidden = plain(name).startswith(".")
            found = [entry.name for entry in folder.iterdir() if hidden == entry.name.startswith(".") and fits(name, entry.name)]
    except OSError:
        return
    for each in found:
        yield from _walk(process, before + slash + each, rest)
