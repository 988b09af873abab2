"""What is fuzzed: for each parser of foreign bytes a function that takes any bytes and asserts what must hold whatever they are.

A refusal is one of the parser's own errors. Anything else that it raises is a fault, and so is an answer that does not keep its
promises: what was read and is written again reads the same.
"""

import io
from collections.abc import Callable
from pathlib import Path

from podlink.engine.config import Limits
from podlink.engine.errors import InvalidArchive, InvalidRequest
from podlink.engine.oci import reference
from podlink.engine.oci.image.config import ImageConfig
from podlink.engine.oci.image.manifest import Manifest
from podlink.engine.oci.layer.archive import Archive
from podlink.engine.oci.layer.compression import decompressed
from podlink.engine.oci.layer.encode import encode, padding
from podlink.engine.oci.layer.entry import Entry, Kind

CORPUS = Path(__file__).resolve().parents[2] / "fixtures" / "fuzz"
LIMITS = Limits(entries=200, total=2**20, path=1024, header=2**14, names=2**16)
PLENTY = 2**22
"""Bytes that a bomb may become before it is let go: more than any file of the corpus holds by right."""
END = bytes(1024)


def references(data: bytes) -> None:
    """A name is given back letter for letter, and what is made of it is a name again, and stays as it is."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        parsed = reference.parse(text)
    except InvalidRequest:
        return
    assert str(parsed) == text
    full = reference.normalize(text)
    assert reference.normalize(full) == full and full in reference.candidates(text)
    assert reference.normalize(reference.familiar(full)) == full
    local = reference.localized(text)
    assert reference.localized(local) == local and reference.tagged(text) == reference.tagged(reference.tagged(text))
    assert text.startswith(reference.repository(text))


def manifests(data: bytes) -> None:
    """What is written again reads the same, and its bytes are always the same."""
    try:
        found = Manifest.parse(data)
    except InvalidArchive:
        return
    again = Manifest.parse(found.serialize())
    assert again == found and again.serialize() == found.serialize()


def configurations(data: bytes) -> None:
    """The same of an image's configuration."""
    try:
        found = ImageConfig.parse(data)
    except InvalidArchive:
        return
    again = ImageConfig.parse(found.serialize())
    assert again == found and again.serialize() == found.serialize()
    assert found.runtime() == again.runtime()


def archives(data: bytes) -> None:
    """No name climbs, nothing lies outside its file, and the entries that were read can be written and read again."""
    try:
        members = read(data)
    except InvalidArchive:
        return
    for entry, content in members:
        assert not {b"..", b"."} & set(entry.name.split(b"/")) and b"\0" not in entry.name + entry.link
        assert 0 <= entry.mode <= 0o7777 and entry.size >= 0
        stored = entry.size if entry.segments is None else sum(length for _, length in entry.segments)
        assert entry.kind is not Kind.FILE or len(content) == stored
        assert all(0 <= offset <= offset + length <= entry.size for offset, length in entry.segments or ())
    assert read(written(members)) == members


def streams(data: bytes) -> None:
    """Whatever the compression, reading ends, with bytes or with a refusal."""
    try:
        stream, size = decompressed(io.BytesIO(data)), 0
        while size < PLENTY and (piece := stream.read(2**16)):
            size += len(piece)
    except InvalidArchive:
        return


def read(data: bytes) -> list[tuple[Entry, bytes]]:
    """Every member of a tar, a file with its data."""
    return [
        (entry, b"".join(content.pieces()) if entry.kind is Kind.FILE else b"")
        for entry, content in Archive(io.BytesIO(data), LIMITS)
    ]


def written(members: list[tuple[Entry, bytes]]) -> bytes:
    return b"".join(encode(entry) + content + padding(len(content)) for entry, content in members) + END


TARGETS: dict[str, Callable[[bytes], None]] = {
    "references": references,
    "manifests": manifests,
    "configurations": configurations,
    "archives": archives,
    "streams": streams,
}
"""By the name of the folder of the corpus that holds their files."""
