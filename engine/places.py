"""The root and the run directory: made, marked, and looked at before anything is done in them."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from podlink.engine.config import Config
from podlink.engine.errors import EngineUnavailable
from podlink.engine.ids import ID
from podlink.engine.runtime.base import Runtime
from podlink.engine.storage.content import Content
from podlink.engine.storage.driver import StorageDriver


@contextmanager
def claimed(config: Config) -> Iterator[None]:
    """The two, made where they are missing, for their owner only, and for as long as the block lasts for those who have both.

    Raises EngineUnavailable where they are not to be had, where the run directory is another root's, or the root another
    storage driver's; and where the root has another run directory, and that is in use: what runs there would be taken for dead.
    """
    mark = config.root / "runroot"
    with ExitStack() as stack:
        try:
            is_known = mark.exists()
            if is_known:  # before anything is made
                stack.enter_context(_claim(mark, config))
            for folder in (config.root, config.runroot):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _settle_owner(config.root.resolve(), config.runroot.resolve())
            _settle_driver(config)
            if not is_known:
                stack.enter_context(_claim(mark, config))
        except OSError as error:
            raise EngineUnavailable(
                f"{error.filename or config.root}: can't be made ({error.strerror}); choose others with --root and --runroot"
            ) from error
        yield


def _claim(mark: Path, config: Config) -> BinaryIO:
    """The root's mark, which tells its run directory: held (flock(2)) with all who have the same. Who has it alone may change it,
    unless something runs in the other one."""
    root = config.root.resolve()
    mine = _from(root, config.runroot.resolve())
    with ExitStack() as stack:
        file = stack.enter_context(open(mark, "r+b", buffering=0, opener=_made))
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            told = _told(file)
            if told != mine and not (told and any((root / told / "containers").glob("*"))):
                os.pwrite(file.fileno(), os.fsencode(mine), 0)
                file.truncate(len(os.fsencode(mine)))
        fcntl.flock(file, fcntl.LOCK_SH)
        if (told := _told(file)) != mine:
            other = root / told
            raise EngineUnavailable(
                f"{root} is in use with the run directory {other}, not with {root / mine}; say --runroot {other}"
            )
        stack.pop_all()
        return file


def _told(file: BinaryIO) -> str:
    file.seek(0)
    return os.fsdecode(file.read())


def _made(path: str, flags: int) -> int:
    """Opened, and made where it is missing."""
    return os.open(path, flags | os.O_CREAT, 0o600)


def _from(root: Path, folder: Path) -> str:
    """A folder as its root's mark tells it: one inside by a relative path, so that the two may be moved together."""
    return os.path.relpath(folder, root) if folder.is_relative_to(root) else str(folder)


def _settle_owner(root: Path, runroot: Path) -> None:
    """A run directory is of one root: what another one has running there would be taken for leftovers, and be swept.

    One inside its root is told to be so by a relative path: the two may be moved together.
    """
    inside = runroot.is_relative_to(root)
    owner = _marked(runroot / "root", os.path.relpath(root, runroot) if inside else str(root))
    if (found := (runroot / owner).resolve()) != root:
        raise EngineUnavailable(f"{runroot} is the run directory of {found}, not of {root}; choose another --runroot")


def _settle_driver(config: Config) -> None:
    """A root keeps to the storage driver that it was made with: another would not find its layers."""
    made_with = _marked(config.root / "storage-driver", config.storage_driver)
    if made_with != config.storage_driver:
        raise EngineUnavailable(
            f"{config.root} was made with the storage driver {made_with}, not {config.storage_driver}; "
            f"say --storage-driver {made_with}, or choose another --root"
        )


def _marked(mark: Path, text: str) -> str:
    """What the first one who came wrote there: whole as soon as it has its name."""
    draft = mark.with_name(f".{mark.name}.{secrets.token_hex(4)}")
    if not mark.exists():
        draft.write_text(text + "\n")
        try:
            os.link(draft, mark)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return mark.read_text(errors="replace").strip() or text


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold a root of emulated containers for this process alone: they live in it. A second opener is told who it is."""
    with open(root / "emulator.lock", "r+b", buffering=0, opener=_made) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _told(lock).strip() or "unknown"
            raise EngineUnavailable(
                f"{root}: process {holder} has it open, and emulated containers belong to one process"
            ) from None
        with suppress(OSError):  # a full disk: a second opener is told of nobody, or of the holder before
            os.pwrite(lock.fileno(), f"{os.getpid():<20}\n".encode(), 0)  # over what is there, so that it keeps its room
        yield


def refuse_orphans(config: Config, storage: StorageDriver, content: Content, runtime: Runtime) -> None:
    """Raise EngineUnavailable where there is anything that a state which begins now would not know, and so have swept."""
    layers, containers = storage.known()
    folder = config.root / "containers"
    own = {entry.name for entry in folder.iterdir() if ID.fullmatch(entry.name)} if folder.is_dir() else set()
    counts = {
        "containers": len(own.union(containers, runtime.known())),
        "layers": len(layers),
        "blobs": len(content.known()),
    }
    if any(counts.values()):
        held = ", ".join(f"{number} {kind}" for kind, number in counts.items() if number)
        raise EngineUnavailable(
            f"{config.root / 'podlink.db'} is missing or empty, and {config.root} and {config.runroot} hold {held} that only it "
            "knew; nothing was removed: put the file back, or move both folders away to begin anew"
        )
