"""Grow the corpus: change what is there at random, and keep what takes a parser where nothing took it before.

    $ python tests/fuzz/grow.py archives 60         for a minute; 0 only writes the seeds
    archives: 35,123 tried, 32 kept, 124 files, 698 ways

A *way* is a step from one line of the parsers to another, as sys.settrace shows them. What breaks a parser is kept too, one file
for each place that breaks, and told: the test of the corpus fails from then on, until the parser is mended. Files are named after
their contents.
"""

import hashlib
import random
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

from seeds import SEEDS, TOKENS
from targets import CORPUS, TARGETS
from test_fuzz_corpus import LARGEST

Ways = set[tuple[int, int, int]]
PARSERS = "/oci/"
BROKE = "broke-"
"""Begins the name of a file that broke a parser once: it stays, whatever others do."""
BLOCK = 512
MAGIC = slice(257, 262)
CHECKSUM = slice(148, 156)


def ways(target: Callable[[bytes], None], data: bytes) -> tuple[Ways, Exception | None]:
    """The ways that this takes, and what broke, if anything."""
    found: Ways = set()
    before: dict[int, int] = {}

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if PARSERS not in frame.f_code.co_filename:
            return None
        code, line = hash(frame.f_code), frame.f_lineno
        found.add((code, before.get(id(frame), 0), line))
        before[id(frame)] = line
        return trace

    sys.settrace(trace)
    try:
        target(data)
    except Exception as trouble:
        return found, trouble
    finally:
        sys.settrace(None)
    return found, None


def changed(chance: random.Random, data: bytes, others: list[bytes], tokens: list[bytes]) -> bytes:
    """A few changes at once, as likely small as large."""
    text = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice((1, 2, 8, 64, BLOCK)))
        match chance.randrange(7):
            case 0 if start < len(text):
                text[start] ^= 1 << chance.randrange(8)
            case 1 if start < len(text):
                text[start] = chance.randrange(256)
            case 2:
                text[start:start] = chance.choice(tokens)
            case 3:
                text[start:end] = chance.choice(tokens)
            case 4:
                del text[start:end]
            case 5:
                text[start:start] = text[start:end] * chance.choice((1, 2, 10))
            case _:
                other = chance.choice(others)
                cut = chance.randrange(len(other) + 1)
                text[start:] = other[cut:]
    return bytes(text[:LARGEST])


def summed(data: bytes) -> bytes:
    """With the checksums of tar headers set right: without that hardly a change would get past them."""
    text = bytearray(data)
    for at in range(0, len(text) - BLOCK + 1, BLOCK):
        block = text[at : at + BLOCK]
        if block[MAGIC] == b"ustar":
            block[CHECKSUM] = b" " * 8
            block[CHECKSUM] = b"%06o\0 " % sum(block)
            text[at : at + BLOCK] = block
    return bytes(text)


class Corpus:
    """The files of one parser, and the ways that they take."""

    def __init__(self, name: str) -> None:
        self._folder, self._target = CORPUS / name, TARGETS[name]
        self._folder.mkdir(parents=True, exist_ok=True)
        self._broken: set[str] = set()
        self.known: Ways = set()
        self.texts: list[bytes] = []
        for path in sorted(self._folder.iterdir(), key=lambda path: path.stat().st_size):
            if not self.attempt(path.read_bytes()) and not path.name.startswith(BROKE):
                path.unlink()  # a smaller one goes the same ways

    def attempt(self, data: bytes) -> bool:
        """Whether it goes a new way, or breaks the parser at a new place; then it is kept."""
        found, trouble = ways(self._target, data)
        place = traceback.format_tb(trouble.__traceback__)[-1] if trouble else ""
        new = bool(found - self.known) or bool(place and place not in self._broken)
        self.known |= found
        if new:
            self.texts.append(data)
            self._keep(data, trouble)
            self._broken.add(place)
        return new

    def _keep(self, data: bytes, trouble: Exception | None) -> None:
        name = hashlib.sha256(data).hexdigest()[:16]
        path = self._folder / (BROKE + name if trouble else name)
        if trouble:
            print(f"{path}: {type(trouble).__name__}: {trouble}")
        if not (self._folder / (BROKE + name)).exists():
            path.write_bytes(data)

    def __len__(self) -> int:
        return len(list(self._folder.iterdir()))


def grow(name: str, seconds: float, seed: int) -> None:
    corpus, chance = Corpus(name), random.Random(seed)
    before, tried, end = len(corpus), 0, time.monotonic() + seconds
    for data in SEEDS[name]():
        corpus.attempt(data)
    while time.monotonic() < end:
        tried += 1
        data = changed(chance, chance.choice(corpus.texts), corpus.texts, TOKENS[name])
        corpus.attempt(summed(data) if name == "archives" and chance.random() < 0.9 else data)
    print(f"{name}: {tried:,} tried, {len(corpus) - before} kept, {len(corpus)} files, {len(corpus.known)} ways")


if __name__ == "__main__":
    grow(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
