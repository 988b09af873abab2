"""Headers of tar, one by one, with the standard library's tarfile as the judge."""

import os
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlink.engine.errors import InvalidArchive
from podlink.engine.oci.layer import header

CHECKSUM = slice(148, 156)
KINDS = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=60)


@st.composite
def members(draw: st.DrawFn) -> tarfile.TarInfo:
    info = tarfile.TarInfo(draw(TEXT.filter(lambda name: name and not name.endswith("/"))))
    info.type, info.linkname = draw(st.sampled_from(KINDS)), draw(TEXT)
    info.mode = draw(st.integers(0, 0o7777))
    info.uid, info.gid = draw(st.integers(0, 2**32)), draw(st.integers(0, 2**32))
    info.size, info.mtime = draw(st.integers(0, 2**50)), draw(st.integers(-(2**40), 2**40))
    info.devmajor, info.devminor = draw(st.integers(0, 2**12)), draw(st.integers(0, 2**20))
    return info


@given(members())
def test_every_field_is_read_as_tarfile_reads_it(info: tarfile.TarInfo) -> None:
    block = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")[-512:]  # after what says a long name
    found, judge = header.parse(block), tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    assert (found.name.rstrip(b"/"), found.link) == tuple(os.fsencode(text) for text in (judge.name, judge.linkname))
    assert (found.mode, found.uid, found.gid, found.size) == (judge.mode, judge.uid, judge.gid, judge.size)
    assert (found.mtime, found.type) == (judge.mtime * 10**9, judge.type)
    assert (found.major, found.minor) == (judge.devmajor, judge.devminor)


def with_checksum(block: bytes, checksum: int) -> bytes:
    return block[: CHECKSUM.start] + b"%06o\0 " % checksum + block[CHECKSUM.stop :]


def is_taken(block: bytes) -> bool:
    try:
        header.parse(block)
    except InvalidArchive:
        return False
    return True


ORDINARY = tarfile.TarInfo("name").tobuf(tarfile.USTAR_FORMAT)
REST = st.binary(min_size=167, max_size=167)
"""What may stand where names of owners, devices and the rest of a name do: bytes that no number is read from."""


def filled(link: bytes, prefix: bytes) -> bytes:
    """A header with any bytes where text is."""
    return ORDINARY[:157] + link.ljust(100, b"\0") + ORDINARY[257:345] + prefix


@given(st.binary(max_size=100), REST, st.integers(0, 0o777777))
def test_a_checksum_is_right_where_tarfile_says_so(link: bytes, prefix: bytes, other: int) -> None:
    block = filled(link, prefix)
    right = tarfile.calc_chksums(block)
    assert all(is_taken(with_checksum(block, each)) for each in right)
    for wrong in {other, *(each + by for each in right for by in (-65521, 65521, -65536, 65536, -256, 256, -1, 1))} - {*right}:
        assert wrong not in range(2**18) or not is_taken(with_checksum(block, wrong))


@given(st.binary(min_size=512, max_size=512))
def test_the_sum_is_the_sum(block: bytes) -> None:
    assert header.total(block) == sum(block)


def test_the_sum_of_the_largest_bytes_is_no_remainder() -> None:
    """Adler-32 counts modulo 65521, and this is more."""
    assert header.total(b"\xff" * 512) == 512 * 255


@given(st.data())
def test_a_header_with_another_byte_is_none(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, 511).filter(lambda at: at not in range(*CHECKSUM.indices(512))))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != ORDINARY[at]))
    with pytest.raises(InvalidArchive, match=r"checksum|octal number"):
        header.parse(ORDINARY[:at] + bytes([other]) + ORDINARY[at + 1 :])
