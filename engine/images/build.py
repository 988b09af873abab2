"""An image from a mapping of paths to contents: for tests, which want no tarball for three files."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from podlink.engine.errors import InvalidArchive, InvalidRequest
from podlink.engine.host import Host
from podlink.engine.images.import_ import describe
from podlink.engine.images.stack import stack
from podlink.engine.images.tag import new_tag
from podlink.engine.oci.image import document, media_types
from podlink.engine.oci.image.config import Execution
from podlink.engine.oci.reference import localized

EXECUTABLE = 0o755
FOLDERS = ("dev", "etc", "proc", "root", "run", "sys", "tmp")
BUSYBOX = "/bin/busybox"
FILES = {
    BUSYBOX: b"",
    "/etc/group": b"root:x:0:\nnobody:x:65534:\n",
    "/etc/hostname": b"",
    "/etc/hosts": b"",
    "/etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "/etc/resolv.conf": b"",
}
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
    execution = _execution(config or {})
    checked = _checked(files)
    links = [path for path in _programs(host) if path not in checked] if userland else []
    stream = io.BytesIO(_archive({**(FILES if userland else {}), **checked}, FOLDERS if userland else (), links))
    message = "built from a mapping"
    return stack(host, (), stream, media_types.LAYER_TAR, lambda diff_id: describe(host, diff_id, execution, message), names)


def _programs(host: Host) -> list[str]:
    """The paths of the programs that the runtime has of its own: it stands in for what it finds there."""
    programs = getattr(host.runtime, "programs", None)
    if programs is None:
        raise InvalidRequest(
            f"userland: {host.runtime.name} runs what is in the files, so an image for it brings its own programs"
        )
    return [f"/bin/{name}" for name in programs.names() if f"/bin/{name}" != BUSYBOX]


def _execution(config: Mapping[str, Any]) -> Execution:
    """Raises InvalidRequest, naming the key, for one that the specification does not have, or that has another type there."""
    known = Execution().fields()
    if unknown := [key for key in config if key not in known]:
        raise InvalidRequest(f"config: {unknown[0]!r} is none of {', '.join(sorted(known))}")
    try:
        return Execution.read(document.read(json.dumps(dict(config)).encode(), "config"))
    except (InvalidArchive, TypeError) as trouble:
        raise InvalidRequest(str(trouble)) from None


def _checked(files: Mapping[str, bytes | str]) -> Mapping[str, bytes]:
    """What each path is to hold. Raises InvalidRequest for what is no path, or no content, and for a file below another."""
    for path, content in files.items():
        if not isinstance(path, str) or not path.startswith("/") or path.endswith("/") or ".." in path.split("/"):
            raise InvalidRequest(f"files: {path!r} is not the absolute path of a file, such as '/bin/app'")
        if not isinstance(content, bytes | str):
            raise InvalidRequest(f"files: {path} is to hold bytes or a str, not {content!r}")
        if above := next((str(each) for each in PurePosixPath(path).parents if str(each) in files), ""):
            raise InvalidRequest(f"files: {path} can't lie below {above}, which is a file")
    return {path: content.encode() if isinstance(content, str) else content for path, content in files.items()}


def _archive(files: Mapping[str, bytes], folders: Sequence[str], links: Sequence[str]) -> bytes:
    """The same bytes for the same files, whenever they are made: so the same image has the same layer. links: to busybox."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in folders:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else EXECUTABLE
            tar.addfile(entry)
        for path, content in sorted(files.items()):
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size, info.mode = len(content), EXECUTABLE
            tar.addfile(info, io.BytesIO(content))
        for path in sorted(links):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.type, entry.linkname = tarfile.SYMTYPE, BUSYBOX
            tar.addfile(entry)
    return buffer.getvalue()
