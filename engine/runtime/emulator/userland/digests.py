"""Commands that turn bytes into text that stands for them: base64 md5sum sha1sum sha256sum sha512sum."""

import base64 as codec
import binascii
import hashlib
import re

from podlink.engine.runtime.emulator.process import Process, Program
from podlink.engine.runtime.emulator.userland.command import Inputs, complain, count, options, refused

WIDTH = 76
"""Characters on a line of base64(1)."""
ROW = re.compile(r"([0-9a-f]{32,128}) [ *](.*)")


def summing(kind: str) -> Program:
    """`md5sum [-c] [-s] [FILE]…`, or the same with another digest. kind: as hashlib calls it."""

    def run(process: Process) -> int:
        found, paths = options(process, "csbw")
        if "c" in found:
            return _check(process, kind, paths, "s" in found)
        inputs = Inputs(process, paths)
        for path, descriptor in inputs:
            process.write(1, f"{_digest(process, kind, descriptor)}  {path}\n")
        return inputs.status

    return run


def _digest(process: Process, kind: str, descriptor: int) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    while data := process.read(descriptor):
        digest.update(data)
    return digest.hexdigest()


def _check(process: Process, kind: str, lists: list[str], is_silent: bool) -> int:
    """Each row of the lists: is the file what it was?"""
    inputs, rows, wrong = Inputs(process, lists, "{}"), 0, 0
    for rows, line in enumerate(inputs.lines(), start=1):  # noqa: B007 (it is how many there were)
        if not (row := ROW.fullmatch(line.decode(errors="surrogateescape"))):
            wrong += 1
            continue
        try:
            descriptor = process.open(row[2])
        except OSError as error:
            refused(process, f"can't open '{row[2]}'", error)
            wrong += 1
            continue
        same = _digest(process, kind, descriptor) == row[1]
        process.close(descriptor)
        wrong += not same
        if not is_silent:
            process.write(1, f"{row[2]}: {'OK' if same else 'FAILED'}\n")
    if wrong and not is_silent:
        complain(process, f"WARNING: {wrong} of {rows} computed checksums did NOT match")
    if not rows and not inputs.status:
        complain(process, "no checksum lines found")
    return int(bool(wrong or not rows))


def base64(process: Process) -> int:
    """base64 [-d] [-w COLUMNS] [FILE]"""
    found, paths = options(process, "d", "w")
    inputs = Inputs(process, paths[:1], "{}")
    data = b"".join(b"".join(iter(lambda end=end: process.read(end), b"")) for _, end in inputs)  # type: ignore[misc]
    if inputs.status:
        return 1
    if "d" in found:
        try:
            process.write(1, codec.b64decode(data))
        except binascii.Error:
            return complain(process, "truncated input")
        return 0
    text = codec.b64encode(data).decode()
    if width := count(process, found.get("w", str(WIDTH))):
        text = "".join(f"{text[start : start + width]}\n" for start in range(0, len(text), width))
    process.write(1, text)
    return 0


md5sum, sha1sum, sha256sum, sha512sum = (summing(kind) for kind in ("md5", "sha1", "sha256", "sha512"))
