"""A directory to unpack into, with something beside it that no layer may touch."""

import io
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from podlink.engine.config import Limits
from podlink.engine.oci.layer.unpack import Unpacked, unpack
from podlink.engine.oci.layer.whiteouts import Whiteouts

NOBODY = 65534


class Yard:
    """root: what is unpacked into. Beside it lie files that a hostile layer would like to reach."""

    def __init__(self, folder: Path, *, privileged: bool) -> None:
        self.folder, self.root, self.privileged = folder, folder / "layer", privileged
        self.root.mkdir()
        (folder / "secret").write_text("untouched")
        (folder / "outside").mkdir()
        (folder / "outside" / "file").write_text("untouched")
        if not privileged:
            for path in (folder, self.root, folder / "secret", folder / "outside", folder / "outside" / "file"):
                os.chown(path, NOBODY, NOBODY)
        self._before = self.beside()

    def unpack(self, content: bytes, limits: Limits | None = None, whiteouts: Whiteouts = Whiteouts.APPLY) -> Unpacked:
        if self.privileged or os.geteuid() != 0:
            return unpack(io.BytesIO(content), self.root, whiteouts, limits)
        answer = as_nobody(lambda: unpack(io.BytesIO(content), self.root, whiteouts, limits))
        assert isinstance(answer, Unpacked)
        return answer

    def beside(self) -> dict[str, Any]:
        """All that is not the layer, with its contents and attributes."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            if path.is_relative_to(self.root):
                continue
            status = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
            found[str(path)] = (status.st_mode, status.st_uid, status.st_nlink, status.st_mtime_ns, content)
        return found

    def assert_untouched(self) -> None:
        assert self.beside() == self._before


def as_nobody(act: Callable[[], object]) -> object:
    """The answer of `act`, done by a process without rights; what it raises is raised here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            try:
                answer: object = act()
            except Exception as error:
                answer = error
            os.write(writer, pickle.dumps(answer))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    answer = pickle.loads(content)
    if isinstance(answer, Exception):
        raise answer
    return answer
