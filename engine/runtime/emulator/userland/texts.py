"""Commands over lines of text: cat cut head sort tail tr wc."""

import codecs
import re
from collections.abc import Iterable, Iterator
from functools import partial

from podlink.engine.runtime.emulator.process import Exited, Process
from podlink.engine.runtime.emulator.userland.command import Inputs, Options, complain, count, options
from podlink.engine.runtime.emulator.userland.expressions import CLASSES

DEFAULT_LINES = 10


def cat(process: Process) -> int:
    found, paths = options(process, "nuv")
    inputs = Inputs(process, paths)
    if "n" in found:
        for number, line in enumerate(inputs.lines(), start=1):
            process.write(1, f"{number:6}\t".encode() + line + b"\n")
        return inputs.status
    for _, descriptor in inputs:
        try:
            while data := process.read(descriptor):
                process.write(1, data)
        except IsADirectoryError:
            inputs.status = complain(process, "read error: Is a directory")
    return inputs.status


def head(process: Process) -> int:
    """head [-n COUNT|-COUNT|-c BYTES] [FILE]…; a negative count is all but the last so many."""
    _spell_out_count(process)
    found, paths = options(process, "qv", "nc")
    limit = count(process, found.get("c") or found.get("n", str(DEFAULT_LINES)))
    inputs = Inputs(process, paths)
    for number, (path, descriptor) in enumerate(inputs):
        _title(process, found, paths, path, number)
        if "c" in found:
            _copy(process, descriptor, limit)
        elif limit < 0:
            process.write(1, b"".join(list(process.lines(descriptor))[:limit]))
        else:
            _first_lines(process, descriptor, limit)
    return inputs.status


def _first_lines(process: Process, descriptor: int, limit: int) -> None:
    for number, line in enumerate(process.lines(descriptor) if limit else (), start=1):
        process.write(1, line)
        if number >= limit:
            return


def _copy(process: Process, descriptor: int, limit: int) -> None:
    while limit > 0 and (data := process.read(descriptor, limit)):
        process.write(1, data)
        limit -= len(data)


def tail(process: Process) -> int:
    """tail [-f] [-n COUNT|-n +FIRST|-COUNT|-c BYTES] [FILE]…"""
    _spell_out_count(process)
    found, paths = options(process, "qvfF", "ncs")
    text = found.get("c") or found.get("n", str(DEFAULT_LINES))
    limit = abs(count(process, text))
    inputs = Inputs(process, paths)
    for number, (path, descriptor) in enumerate(inputs):
        _title(process, found, paths, path, number)
        pieces = [bytes([each]) for each in _all(process, descriptor)] if "c" in found else list(process.lines(descriptor))
        start = max(limit - 1, 0) if text.startswith("+") else max(len(pieces) - limit, 0)
        process.write(1, b"".join(pieces[start:]))
        if {"f", "F"} & set(found) and path != "-":
            _follow(process, descriptor)
    return inputs.status


def _follow(process: Process, descriptor: int) -> None:
    """A file that grows wakes nobody up, so it is looked at once a second, as the real one does."""
    while True:
        while data := process.read(descriptor):
            process.write(1, data)
        process.sleep(1)


def _all(process: Process, descriptor: int) -> bytes:
    return b"".join(process.lines(descriptor))


def _spell_out_count(process: Process) -> None:
    """`-5` is `-n 5`, where it stands first."""
    if len(process.argv) > 1:
        process.argv = [process.argv[0], re.sub(r"^-(\d+)$", r"-n\1", process.argv[1]), *process.argv[2:]]


def _title(process: Process, found: Options, paths: list[str], path: str, number: int) -> None:
    if (len(paths) > 1 and "q" not in found) or "v" in found:
        process.write(1, ("\n" if number else "") + f"==> {'standard input' if path == '-' else path} <==\n")


def wc(process: Process) -> int:
    found, paths = options(process, "lwcmL")
    letters = [letter for letter in "lwcmL" if letter in found] or ["l", "w", "c"]
    inputs = Inputs(process, paths)
    totals = [0] * len(letters)
    for path, descriptor in inputs:
        figures = _measured(iter(partial(process.read, descriptor), b""), letters)
        totals = [total + figure for total, figure in zip(totals, figures, strict=True)]
        process.write(1, _row(figures, path if paths else "", wide=len(paths) > 1))
    if len(paths) > 1:
        process.write(1, _row(totals, "total", wide=True))
    return inputs.status


def _measured(chunks: Iterator[bytes], letters: list[str]) -> list[int]:
    """Counted as it comes: nothing of it is kept."""
    figures = dict.fromkeys("lwcmL", 0)
    characters = codecs.getincrementaldecoder("utf-8")("replace")
    is_within, column = False, 0
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        figures["l"] += len(others)
        figures["w"] += len(chunk.split()) - (is_within and not chunk[:1].isspace())
        figures["c"] += len(chunk)
        figures["m"] += len(characters.decode(chunk))
        figures["L"] = max(figures["L"], column + len(first), *map(len, others))
        is_within, column = not chunk[-1:].isspace(), len(others[-1]) if others else column + len(first)
    return [figures[letter] for letter in letters]


def _row(figures: list[int], name: str, *, wide: bool) -> str:
    """A figure that stands alone as it is, more in columns."""
    text = " ".join(f"{figure:9}" for figure in figures) if wide or len(figures) > 1 else str(figures[0])
    return f"{text} {name}".rstrip() + "\n"


def sort(process: Process) -> int:
    """sort [-nrufb] [-t SEPARATOR] [-k FIRST[,LAST]] [FILE]…"""
    found, paths = options(process, "nrufbs", "tko", repeated="k")
    inputs = Inputs(process, paths)
    keys = found.get("k", "").split("\n")

    def order(line: bytes) -> list[tuple[float, bytes]]:
        return [_sort_key(line, each, found) for each in keys]

    lines = sorted(inputs.lines(), key=order if "s" in found else lambda line: (order(line), line), reverse="r" in found)
    if "u" in found:
        lines = list({tuple(order(line)): line for line in reversed(lines)}.values())[::-1]
    text = b"".join(line + b"\n" for line in lines)
    if "o" in found:
        process.call(lambda: process.tree.writable(found["o"], process.directory).write_bytes(text))
    else:
        process.write(1, text)
    return inputs.status


def _sort_key(line: bytes, key: str, found: Options) -> tuple[float, bytes]:
    """What a line is compared by: the fields of `-k FIRST[,LAST]`, or the whole; as a number or as bytes."""
    if key:
        first, _, last = key.partition(",")
        fields = line.split(found["t"].encode()) if "t" in found else line.split()
        start, end = int(re.sub(r"\D.*", "", first) or 1) - 1, int(re.sub(r"\D.*", "", last) or 0) or None
        line = (found.get("t", " ").encode()).join(fields[start:end])
    line = line.lower() if "f" in found else line
    if "n" in found or "n" in key:
        number = re.match(rb"\s*(-?\d+(?:\.\d+)?)", line)
        return (float(number[1]) if number else 0.0, b"")
    return (0.0, line.lstrip() if "b" in found else line)


def cut(process: Process) -> int:
    """cut -b|-c|-f LIST [-d DELIMITER] [-s] [FILE]…"""
    found, paths = options(process, "sn", "bcfd")
    chosen = next((found[letter] for letter in "bcf" if letter in found), None)
    if chosen is None:
        return complain(process, "expected a list of bytes, characters, or fields")
    ranges = [_range(process, each) for each in chosen.split(",")]
    delimiter = found.get("d", "\t").encode()
    inputs = Inputs(process, paths)
    for line in inputs.lines():
        if "f" not in found:
            kept = b"".join(_kept([bytes([each]) for each in line], ranges))
        elif delimiter in line:
            kept = delimiter.join(_kept(line.split(delimiter), ranges))
        elif "s" in found:
            continue
        else:
            kept = line
        process.write(1, kept + b"\n")
    return inputs.status


def _range(process: Process, text: str) -> range:
    first, dash, last = text.partition("-")
    if not re.fullmatch(r"\d+|\d+-\d*|-\d+", text):
        raise Exited(complain(process, f"invalid range {text}"))
    return range(int(first or 1), (int(last) if last else 1 << 31 if dash else int(first)) + 1)


def _kept(pieces: list[bytes], ranges: Iterable[range]) -> list[bytes]:
    return [piece for number, piece in enumerate(pieces, start=1) if any(number in each for each in ranges)]


def tr(process: Process) -> int:
    """tr [-cds] SET [SET]"""
    found, sets = options(process, "cCds")
    if not sets or (len(sets) < 2 and not {"d", "s"} & set(found)):
        process.write(2, "Usage: tr [-cds] STRING1 [STRING2]\n")
        return 1
    first = _characters(sets[0])
    if {"c", "C"} & set(found):
        first = bytes(each for each in range(256) if each not in first)
    last = _characters(sets[1]) if len(sets) > 1 else first
    table = bytes.maketrans(first, (last + last[-1:] * len(first))[: len(first)]) if len(sets) > 1 and "d" not in found else None
    squeezed = last if "s" in found else b""
    before = b""
    while data := process.read(0):
        data = data.translate(table, first if "d" in found else b"")
        if squeezed:
            data = re.sub(b"([" + re.escape(squeezed) + b"])\\1+", rb"\1", before + data)[len(before) :]
            before = data[-1:] or before
        process.write(1, data)
    return 0


def _characters(text: str) -> bytes:
    """A set of tr(1): ranges, classes and escapes."""
    for name, characters in CLASSES.items():
        text = text.replace(name, " \t\n\r\f\v" if name == "[:space:]" else characters.replace("\\", ""))
    text = text.encode(errors="surrogateescape").decode("latin-1")
    text = re.sub(r"\\(n|t|r|\\|0)", lambda match: {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "0": "\0"}[match[1]], text)
    text = re.sub(r"(.)-(.)", lambda match: "".join(map(chr, range(ord(match[1]), ord(match[2]) + 1))), text, flags=re.DOTALL)
    return text.encode("latin-1")
