"""Layers for tests: tars made by Python's own library, so that ours is not its own judge."""

import io
import tarfile
from typing import Any


def member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """One entry; fields are those of tarfile.TarInfo."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, len(content), 1_700_000_000
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def directory(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.DIRTYPE, **fields)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.LNKTYPE, linkname=target)


def tar(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    """The archive of these entries, in this order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
