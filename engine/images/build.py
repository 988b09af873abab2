"""An image from a mapping of paths to contents: for tests, which want no tarball for three files."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

from podlink.engine.errors import InvalidRequest
from podlink.engine.host import Host
from podlink.engine.images.import_ import describe
from podlink.engine.images.stack import stack
from podlink.engine.images.tag import new_tag
from podlink.engine.oci.image import document, media_types
from podlink.engine.oci.image.config import Execution
from podlink.engine.oci.reference import localized

EXECUTABLE = 0o755
FOLDERS = ("dev", "etc", "proc", "root", "run", "sys", "tmp")
FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
"""What an image with a userland has beside it: the places where a runtime mounts what every container gets, and a few more."""


def build_from(
    host: Host,
    files: Mapping[str, bytes | str],
    config: Mapping[str, Any] | None = None,
    name: str = "",
    *,
    userland: bool = False,
) -> str:
    """An image of one layer with these files, and return its ID. Every file is executable, and its folders are made.

    config: the `config` object of an OCI image configuration (`Cmd`, `Env`, `WorkingDir`, …). name: made full as Commit makes it.
    userland: with a shell and the everyday commands, which the emulator has and no other runtime. Raises InvalidRequest.
    """
    names = [localized(new_tag(name))] if name else []
    execution = Execution.read(document.read(json.dumps(dict(config or {})).encode(), "config"))
    everything = {**(_userland(host) if userland else {}), **files}
    stream = io.BytesIO(_archive(everything, FOLDERS if userland else ()))
    message = "built from a mapping"
    return stack(host, (), stream, media_types.LAYER_TAR, lambda diff_id: describe(host, diff_id, execution, message), names)


def _userland(host: Host) -> dict[str, bytes]:
    """An empty file for each program that the runtime has of its own: the runtime stands in for what it finds there."""
    programs = getattr(host.runtime, "programs", None)
    if programs is None:
        raise InvalidRequest(
            f"userland: {host.runtime.name} runs what is in the files, so an image for it brings its own programs"
        )
    return dict.fromkeys((*FILES, *(f"/bin/{program}" for program in programs if "/" not in program)), b"")


def _archive(files: Mapping[str, bytes | str], folders: Sequence[str]) -> bytes:
    """The same bytes for the same files, whenever they are made: so the same image has the same layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in folders:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else EXECUTABLE
            tar.addfile(entry)
        for path, content in sorted(files.items()):
            if not path.startswith("/") or path.endswith("/"):
                raise InvalidRequest(f"files: {path!r} is not the absolute path of a file")
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size, info.mode = len(data), EXECUTABLE
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
