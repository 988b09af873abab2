"""A zstd stream is whole or refused: frames of every kind, cut off anywhere, and frames that hold nothing of the content."""

import io
import random

import pytest
import zstandard

from podlink.engine.errors import InvalidArchive
from podlink.engine.oci.layer.compression import compression_of, decompressed

NOISE = random.Random(1).randbytes(3000)
TEXT = NOISE + b"again and again " * 20_000 + bytes(300_000) + NOISE  # blocks of all three types
SKIPPED = b"\x5a\x2a\x4d\x18" + (7).to_bytes(4, "little") + b"nothing"


def packed(text: bytes, **options: bool) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(text)


def streamed(text: bytes) -> bytes:
    """A frame that does not say how long its content is."""
    compressor = zstandard.ZstdCompressor().compressobj()
    return compressor.compress(text) + compressor.flush()


FRAMES = {
    "plain": packed(TEXT),
    "checked": packed(TEXT, write_checksum=True),
    "of unknown size": streamed(TEXT),
    "small": packed(b"a"),
    "empty": packed(b""),
}


def read(content: bytes) -> bytes:
    return decompressed(io.BytesIO(content)).read()


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_alone_joined_and_between_others_that_are_skipped(kind: str) -> None:
    frame = FRAMES[kind]
    text = read(frame)
    assert text == zstandard.ZstdDecompressor().decompressobj().decompress(frame)
    for content in (frame + frame, SKIPPED + frame + SKIPPED + SKIPPED + frame + SKIPPED):
        assert compression_of(content) == "zstd" and read(content) == 2 * text


@pytest.mark.parametrize("kind", FRAMES)
def test_a_stream_that_is_cut_off_anywhere_is_refused(kind: str) -> None:
    content = SKIPPED + FRAMES[kind]
    for size in {*range(4, min(len(content), 200)), *range(200, len(content), 97), len(content) - 1} - {len(SKIPPED)}:
        with pytest.raises(InvalidArchive, match=r"zstd data is cut off; fetch it again|something that is not zstd"):
            read(content[:size])


@pytest.mark.parametrize("tail", [b"\0", b"more of something", FRAMES["plain"][:3]])
def test_what_follows_the_last_frame_and_is_none_is_refused(tail: bytes) -> None:
    with pytest.raises(InvalidArchive, match="something that is not zstd follows its zstd data"):
        read(FRAMES["small"] + tail)


def test_a_block_larger_than_any_is_refused() -> None:
    block = (1 | (2**17 + 1) << 3).to_bytes(3, "little")  # the last one, stored as it is
    with pytest.raises(InvalidArchive, match="a block of 131073 bytes"):
        read(b"\x28\xb5\x2f\xfd\x00\x50" + block + bytes(2**17 + 1))
