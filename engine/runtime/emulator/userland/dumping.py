"""od(1): bytes as numbers or characters."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from podlink.engine.runtime.emulator.process import Exited, Process
from podlink.engine.runtime.emulator.userland.command import Inputs, complain, count, options

WIDTH = 16
NAMED = {0: "\\0", 7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"}
CONTROLS = (
    "nul soh stx etx eot enq ack bel bs ht nl vt ff cr so si dle dc1 dc2 dc3 dc4 nak syn etb can em sub esc fs gs rs us sp"
).split()
"""What `-a` calls the characters up to the space."""
SHORT = {"a": "a", "b": "o1", "c": "c", "d": "u2", "h": "x2", "i": "d2", "l": "d4", "o": "o2", "s": "d2", "x": "x2"}
"""Options that stand for a type."""
DIGITS = {
    ("o", 1): 3,
    ("o", 2): 6,
    ("o", 4): 11,
    ("o", 8): 22,
    ("x", 1): 2,
    ("x", 2): 4,
    ("x", 4): 8,
    ("x", 8): 16,
    ("u", 1): 3,
    ("u", 2): 5,
    ("u", 4): 10,
    ("u", 8): 20,
    ("d", 1): 4,
    ("d", 2): 6,
    ("d", 4): 11,
    ("d", 8): 20,
}
"""How wide the numbers of a kind and size are."""
SIZES = {"C": 1, "S": 2, "I": 4, "L": 8}
ADDRESS = {"d": "{:07}", "o": "{:07o}", "x": "{:06x}", "n": ""}


@dataclass(frozen=True, slots=True)
class Format:
    """size: bytes that are one; show: how."""

    size: int
    show: Callable[[bytes], str]


def od(process: Process) -> int:
    """od [-abcdhilosxv] [-t TYPE] [-A d|o|x|n] [-N SIZE] [-j SKIP] [-w WIDTH] [FILE]…"""
    found, paths = options(process, "abcdhilosxv", "tANjw", repeated="t")
    types = [SHORT[letter] for letter in found if letter in SHORT] + found.get("t", "").split()
    formats = [_format(process, each) for each in types or ["o2"]]
    if (address := ADDRESS.get(found.get("A", "o"))) is None:
        return complain(process, f"bad output address radix '{found['A']}' (must be [doxn])")
    skip, width = count(process, found.get("j", "0")), max(count(process, found.get("w", str(WIDTH))), 1)
    inputs = Inputs(process, paths, "{}")
    blocks = [list(_blocks(process, descriptor)) for _, descriptor in inputs]
    if not blocks:  # none of the files can be read
        return inputs.status
    data = b"".join(block for each in blocks for block in each)[skip:]
    data = data[: count(process, found["N"])] if "N" in found else data
    for line in _lines(data, skip, width, formats, address, "v" in found):
        process.write(1, line + "\n")
    if address:
        process.write(1, address.format(skip + len(data)) + "\n")
    return inputs.status


def _blocks(process: Process, descriptor: int) -> Iterator[bytes]:
    while data := process.read(descriptor):
        yield data


def _lines(data: bytes, start: int, width: int, formats: list[Format], address: str, every: bool) -> Iterator[str]:
    """A line each, or `*` for those that are as the one before. What ends within a number is filled with zeros."""
    before, is_told = b"", False
    largest = max(form.size for form in formats)
    for at in range(0, len(data), width):
        row = data[at : at + width]
        row = row.ljust(-(-len(row) // largest) * largest, b"\0")
        if row == before and not every:
            if not is_told:
                yield "*"
            is_told = True
            continue
        before, is_told = row, False
        for number, form in enumerate(formats):
            place = address.format(start + at)
            shown = "".join(form.show(row[each : each + form.size]) for each in range(0, len(row), form.size))
            yield (place if number == 0 else " " * len(place)) + shown


def _format(process: Process, text: str) -> Format:
    """Of a type such as `x1`, `d4` or `c`."""
    if text in ("a", "c"):
        return Format(1, _name if text == "a" else _character)
    match = re.fullmatch(r"([doux])(\d*|[CSIL])", text)
    size = SIZES.get(match[2]) or int(match[2] or 4) if match else 0
    if not match or (match[1], size) not in DIGITS:
        raise Exited(complain(process, f"invalid type string '{text}'"))
    kind, digits = match[1], DIGITS[match[1], size]
    form = f" {{:{digits if kind in 'du' else f'0{digits}'}{kind.replace('u', 'd')}}}"
    return Format(size, lambda data: form.format(int.from_bytes(data, "little", signed=kind == "d")))


def _character(data: bytes) -> str:
    byte = data[0]
    return f" {NAMED.get(byte) or (chr(byte) if 32 <= byte < 127 else f'{byte:03o}'):>3}"


def _name(data: bytes) -> str:
    byte = data[0] & 0x7F
    return f" {'del' if byte == 127 else CONTROLS[byte] if byte < len(CONTROLS) else chr(byte):>3}"
