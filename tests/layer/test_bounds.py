"""What is looked at while a layer is unpacked: how it grows, and the room that is left."""

import gzip
import io
import random
from pathlib import Path

import pytest

from podlink.engine.config import Limits
from podlink.engine.errors import InvalidArchive, StorageFailed
from podlink.engine.oci.layer import bounds

MIB = 2**20


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A MiB instead of a GiB: what anything may unpack to."""
    monkeypatch.setattr(bounds, "ALLOWED", MIB)


def read(content: bytes, ratio: int) -> bytes:
    return bounds.plain(io.BytesIO(content), Limits(ratio=ratio)).read()


def test_what_grows_beyond_all_measure_is_refused() -> None:
    packed = gzip.compress(bytes(20 * MIB))
    with pytest.raises(InvalidArchive, match=r"the limit is 100 times as many \(ratio\)"):
        read(packed, 100)
    assert len(read(packed, 2000)) == 20 * MIB


def test_a_little_may_grow_as_it_likes() -> None:
    assert len(read(gzip.compress(bytes(MIB)), 2)) == MIB


def test_what_is_not_compressed_does_not_grow() -> None:
    noise = random.Random(1).randbytes(3 * MIB)
    assert read(noise, 1) == noise
    assert read(gzip.compress(noise, 1), 2) == noise


def test_more_than_is_free_is_refused_and_says_how_much_that_is(tmp_path: Path) -> None:
    room = bounds.Room(tmp_path, 0)
    room.require(1)
    with pytest.raises(StorageFailed, match=rf"{tmp_path}: no space left for {2**60} bytes that are to come: \d+ are free"):
        room.require(2**60)
