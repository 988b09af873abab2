"""The engine's side of the `warden`: it asks for jails, and feeds them."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import podlink
from podlink.engine.config import Limits
from podlink.engine.errors import InvalidArchive, StorageFailed
from podlink.engine.linux import portable
from podlink.engine.oci.layer.apply import Filled
from podlink.engine.oci.layer.blocks import PIECE
from podlink.engine.oci.layer.whiteouts import Whiteouts
from podlink.engine.oci.readable import Readable

HOME = str(Path(podlink.__file__).absolute().parent.parent)
SCRIPT = f"import sys; sys.path.append({HOME!r}); from podlink.engine.oci.layer.warden import main; main()"
ENVIRONMENT = {"LC_ALL": "C"}
"""Nothing else: any other locale would have libc look for catalogues and character sets, and in the jail those are the
layer's.
"""
PIPE = 4 * PIECE
"""Bytes that the kernel holds between the two: one has work to do while the other waits for the disk or the network."""


class Jails:
    """A warden, whose stderr is the file. Safe to use from several threads; `end` when none of them uses it any more."""

    def __init__(self, said: int) -> None:
        self._said = said
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._warden = subprocess.Popen(
                [sys.executable, "-I", "-S", "-X", "utf8", "-c", SCRIPT],
                cwd="/",
                env=ENVIRONMENT,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )

    def end(self) -> None:
        self._requests.close()
        self._warden.wait()

    def fill(self, stream: Readable, path: Path, whiteouts: Whiteouts, limits: Limits) -> Filled:
        """Feed the stream to a jail in the directory. The jail is over when this returns or raises, whatever happens."""
        line, theirs = socket.socketpair()
        with line, theirs:
            reader, writer = os.pipe()
            with os.fdopen(writer, "wb", buffering=0) as tar:
                try:
                    with os.fdopen(reader, "rb", buffering=0), theirs:
                        self._ask(path, reader, theirs, {"whiteouts": whiteouts.value, "limits": asdict(limits)})
                    _feed(tar, stream)
                except BaseException:
                    line.shutdown(socket.SHUT_WR)  # the warden kills it
                    _all(line)
                    raise
            return self._read_answer(_all(line))

    def _ask(self, path: Path, reader: int, line: socket.socket, request: dict[str, object]) -> None:
        directory = os.open(path, portable.THROUGH)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # then there is no answer, which is told
                socket.send_fds(self._requests, [json.dumps(request).encode()], [directory, reader, line.fileno()])
        finally:
            os.close(directory)

    def _read_answer(self, answer: bytes) -> Filled:
        """What the jail has to say; its silence, or its death, is StorageFailed."""
        if not answer:
            raise StorageFailed(f"the process that unpacks {_ended(self._warden.wait())}{self._complaint()}")
        told = json.loads(answer.rpartition(b"\n")[2])
        if "ended" in told:
            raise StorageFailed(f"the process that unpacks {_ended(told['ended'])}{self._complaint()}")
        if "refused" in told:
            raise InvalidArchive(told["refused"])
        if "failed" in told:
            raise StorageFailed(told["failed"])
        return Filled(told["entries"], told["size"], tuple(os.fsencode(path) for path in told["implied"]))

    def _complaint(self) -> str:
        last = os.pread(self._said, PIECE, 0).decode(errors="replace").strip().rpartition("\n")[2]
        return f": {last}" if last else ""


@contextmanager
def jails() -> Iterator[Jails | None]:
    """A warden for as long as the block lasts. None where there is no jail to be had: who is not root goes without."""
    if os.geteuid() != 0 or not portable.LINUX:
        yield None
        return
    with tempfile.TemporaryFile() as said:
        made = Jails(said.fileno())
        try:
            yield made
        finally:
            made.end()


def _feed(tar: BinaryIO, stream: Readable) -> None:
    """Write the stream to the jail, until it hangs up because it has seen enough."""
    with suppress(OSError):  # an administrator may allow less: pipe(7)
        fcntl.fcntl(tar, fcntl.F_SETPIPE_SZ, PIPE)
    with suppress(BrokenPipeError):
        while data := stream.read(PIECE):
            view = memoryview(data)
            while view:
                view = view[tar.write(view) :]


def _all(line: socket.socket) -> bytes:
    """All that is said on the line until the other side hangs up."""
    return b"".join(iter(lambda: line.recv(PIECE), b""))


def _ended(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
