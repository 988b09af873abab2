"""A tar stream becomes a directory tree, and its hash the layer's diff ID (OCI image-spec, config.md, "Layer DiffID").

As root it is done by a process of its own that is locked into the directory (see `jail`); without root it is done here, with
every path opened in a way that can't lead out (see `place`). Either way the stream is read forward, once, and hashed as it
passes, to its very end.
"""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

import podlink
from podlink.engine.errors import InvalidArchive, StorageFailed
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.layer.apply import Filled, fill
from podlink.engine.oci.layer.blocks import PIECE
from podlink.engine.oci.layer.hiding import hiding_for
from podlink.engine.oci.layer.limits import Limits
from podlink.engine.oci.layer.place import Beneath
from podlink.engine.oci.layer.whiteouts import Whiteouts

HOME = str(Path(podlink.__file__).absolute().parent.parent)
SCRIPT = f"import sys; sys.path.append({HOME!r}); from podlink.engine.oci.layer.jail import main; main()"
ENVIRONMENT = {"LC_ALL": "C"}
"""Nothing else: any other locale would have libc look for catalogues and character sets, and in the jail those are the
layer's.
"""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """entries: members of the tar; size: bytes of the files that it brought; diff_id: the digest of the whole tar.

    implied: for overlayfs, the directories that it goes through and does not describe: they look as nobody wants them to.
    """

    entries: int
    size: int
    diff_id: Digest
    implied: tuple[bytes, ...] = ()


def unpack(stream: BinaryIO, path: Path, whiteouts: Whiteouts, limits: Limits | None = None) -> Unpacked:
    """Unpack an uncompressed tar into an existing directory. Raises InvalidArchive, StorageFailed, and what the stream raises.

    What was unpacked until then is left there, for the caller to remove with the directory.
    """
    bounds = limits or Limits()
    measured = Measured(stream, bounds.total)
    if os.geteuid() == 0:
        done = _in_jail(measured, path, whiteouts, bounds)
    elif whiteouts is Whiteouts.OVERLAY:
        raise StorageFailed("layers for overlayfs are unpacked by root alone; use the storage driver vfs")
    else:
        with closing(Beneath(path)) as place:
            done = replace(fill(place, hiding_for(whiteouts), io.BufferedReader(measured, PIECE), bounds), implied=())
    return Unpacked(done.entries, done.size, measured.digest(), done.implied)


class Measured(io.RawIOBase):
    """A stream that hashes and counts what is read of it, and refuses to go on beyond `limit` bytes."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._hash = hashlib.sha256()
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        self._count += len(data)
        if self._count > self._limit:
            raise InvalidArchive(f"layer: more than the limit of {self._limit} bytes when uncompressed")
        self._hash.update(data)
        buffer[: len(data)] = data
        return len(data)

    def digest(self) -> Digest:
        """Of all that was read so far."""
        return Digest(self._hash.hexdigest())


def _in_jail(measured: Measured, path: Path, whiteouts: Whiteouts, limits: Limits) -> Filled:
    """Feed the stream to a process that is locked into the directory. It ends with this call, whatever happens."""
    command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", SCRIPT, whiteouts.value, json.dumps(asdict(limits))]
    with subprocess.Popen(
        command,
        cwd=path,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        bufsize=0,
    ) as child:
        try:
            _feed(child, measured)
            answer, complaint = child.communicate()
        except BaseException:
            child.kill()
            raise
    return _read_answer(answer, complaint, child.returncode)


def _feed(child: subprocess.Popen[bytes], measured: Measured) -> None:
    """Write the stream to the process, until it hangs up because it has seen enough."""
    assert child.stdin is not None
    with suppress(BrokenPipeError):
        while data := measured.read(PIECE):
            view = memoryview(data)
            while view:
                view = view[child.stdin.write(view) :]


def _read_answer(answer: bytes, complaint: bytes, code: int) -> Filled:
    """What the process has to say; its silence, or its death, is StorageFailed."""
    if code != 0 or not answer:
        end = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise StorageFailed(f"the process that unpacks {end}" + (f": {last}" if last else ""))
    told = json.loads(answer)
    if "refused" in told:
        raise InvalidArchive(told["refused"])
    if "failed" in told:
        raise StorageFailed(told["failed"])
    return Filled(told["entries"], told["size"], tuple(os.fsencode(path) for path in told["implied"]))
