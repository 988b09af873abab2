"""The composition root: a `Config` becomes a `Host` of real parts, and an `Engine` around it. Choices are made only here."""

import fcntl
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import podlink
from podlink.engine.config import Config
from podlink.engine.containers.reconcile import conclude_one, reconcile
from podlink.engine.errors import EngineUnavailable
from podlink.engine.handles import Containers, Images, Networks, System
from podlink.engine.host import Host
from podlink.engine.images.collect import collect
from podlink.engine.linux import facts
from podlink.engine.network.driver import Ground
from podlink.engine.network.wires import Wires
from podlink.engine.oci.spec.values import Device, HostFacts, Rlimit
from podlink.engine.runtime.base import Runtime
from podlink.engine.state.state import State
from podlink.engine.storage.content import Content
from podlink.engine.storage.driver import StorageDriver

if TYPE_CHECKING:
    from podlink.engine.runtime.emulator.process import Program


class Engine:
    """A container engine in this process. No daemon is needed; several engines may have the same root open at once.

        with Engine.open(Config(root=Path("/srv/podlink"), runroot=Path("/run/mine"))) as engine:
            image = engine.images.import_image("rootfs.tar", "small")
            container = engine.containers.create(image=image, command=["echo", "hello"])
            container.start()
            print(container.wait(), container.logs())

    Every method is safe to call from several threads. An engine doesn't survive fork(2): open one in each process.
    """

    def __init__(self, host: Host, resources: ExitStack) -> None:
        self.host = host
        self._resources = resources
        self.containers = Containers(host)
        self.images = Images(host)
        self.networks = Networks(host)
        self.system = System(host)

    @classmethod
    def open(cls, config: Config | None = None) -> Self:
        """Open the engine on a root, which is made where it is missing, and bring it up to date with the host.

        Raises EngineUnavailable where it can't work: no root privileges, no runc, a state that can't be read.
        """
        with ExitStack() as stack:
            host = stack.enter_context(open_host(config or Config()))
            reconcile(host)
            collect(host)
            host.runtime.listen(lambda container: conclude_one(host, container))
            return cls(host, stack.pop_all())

    @classmethod
    def emulated(cls, root: Path | None = None, *, seed: int | None = None) -> Self:
        """An engine without a kernel under it: no root privileges, no runc; containers live in this process and end with it.

        root: where to keep files, which one process at a time may hold; None: in memory and a temporary folder that goes
        with the engine. seed: makes IDs and names the same at each run.
        """
        with ExitStack() as stack:
            folder = root or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podlink-")))
            config = Config(root=folder, runroot=folder / "run", runtime="emulator", storage_driver="vfs")
            chooser = random.Random(seed) if seed is not None else None
            host = stack.enter_context(open_host(config, in_memory=root is None, chooser=chooser))
            if root is not None:
                reconcile(host)
                collect(host)
            host.runtime.listen(lambda container: conclude_one(host, container))
            return cls(host, stack.pop_all())

    @property
    def programs(self) -> "MutableMapping[str, Program]":
        """What runs in emulated containers, by absolute path (`/usr/sbin/nginx`) or by base name: put a function there.

            def nginx(process: Process) -> int:         it gets its arguments, environment, files, streams and signals
                process.write(1, "serving\\n")
                process.pause()                         until a signal comes
                return 0

            engine.programs["/usr/sbin/nginx"] = nginx

        Raises EngineUnavailable for an engine whose containers run on a real kernel.
        """
        if self.host.runtime.name != "emulator":
            raise EngineUnavailable(f"programs are for an emulated engine; this one runs containers on {self.host.runtime.name}")
        runtime: Any = self.host.runtime
        programs: MutableMapping[str, Program] = runtime.programs
        return programs

    def close(self) -> None:
        """Let go of what this engine holds. Containers live on; emulated ones end. Again is no error."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@contextmanager
def open_host(config: Config, *, in_memory: bool = False, chooser: random.Random | None = None) -> Iterator[Host]:
    """The parts of an engine, put together for as long as the block lasts. in_memory: the state is kept in no file."""
    if config.runtime == "runc" and os.geteuid() != 0:
        raise EngineUnavailable("containers on runc need root; run as root, or choose the emulator (--runtime emulator)")
    with ExitStack() as stack:
        _make_folders(config)
        if config.runtime == "emulator":
            stack.enter_context(_alone(config.root))
        _settle_driver(config)
        state = State.open(None if in_memory else config.root / "podlink.db", None if in_memory else config.runroot / "locks")
        stack.callback(state.close)
        storage, runtime = _parts(config, durable=not in_memory)
        stack.callback(storage.close)
        stack.callback(runtime.close)
        yield Host(
            config=config,
            state=state,
            storage=storage,
            content=Content(config.root / "blobs"),
            runtime=runtime,
            network=Wires(state, _ground(config), config.bridge, config.subnet, str(config.root.absolute()), time.time_ns),
            facts=_facts(config),
            now=time.time_ns,
            chooser=chooser,
            cleanup=_cleanup_command(config),
        )


def _make_folders(config: Config) -> None:
    """The root and the run directory, for their owner only."""
    try:
        for folder in (config.root, config.runroot):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EngineUnavailable(
            f"{error.filename}: can't be made ({error.strerror}); choose others with --root and --runroot"
        ) from error


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold a root of emulated containers for this process alone: they live in it. A second opener is told who it is."""
    with (root / "emulator.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise EngineUnavailable(
                f"{root}: process {holder} has it open, and emulated containers belong to one process"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _settle_driver(config: Config) -> None:
    """A root keeps to the storage driver that it was made with: another would not find its layers."""
    mark = config.root / "storage-driver"
    try:
        with mark.open("x") as file:
            file.write(config.storage_driver + "\n")
    except FileExistsError:
        made_with = mark.read_text().strip()
        if made_with and made_with != config.storage_driver:
            raise EngineUnavailable(
                f"{config.root} was made with the storage driver {made_with}, not {config.storage_driver}; "
                f"say --storage-driver {made_with}, or choose another --root"
            ) from None


def _parts(config: Config, durable: bool) -> tuple[StorageDriver, Runtime]:
    """Those that are asked for are those that are loaded: no kind of engine needs what another stands on.

    Where nothing separates a container from the engine but the emulator, containers share their files until they write.
    """
    if config.runtime == "emulator":
        from podlink.engine.runtime.emulator.runtime import EmulatorRuntime
        from podlink.engine.storage.shared import SharedDriver

        if config.storage_driver == "vfs":
            shared = SharedDriver(config.root / "vfs", durable=durable)
            return shared, EmulatorRuntime(claim=shared.claim, durable=durable)
        return _storage(config), EmulatorRuntime(durable=durable)
    from podlink.engine.runtime.runc import RuncRuntime

    return _storage(config), RuncRuntime(config.runroot, config.cgroup_parent)


def _storage(config: Config) -> StorageDriver:
    if config.storage_driver == "overlay":
        from podlink.engine.storage.overlay import OverlayDriver

        return OverlayDriver(config.root / "overlay")
    from podlink.engine.storage.vfs import VfsDriver

    return VfsDriver(config.root / "vfs")


def _ground(config: Config) -> Ground:
    """Loaded as the runtime is: an emulated host has no kernel to build on."""
    if config.runtime == "emulator":
        from podlink.engine.network.emulated import EmulatedGround

        return EmulatedGround()
    from podlink.engine.network.kernel import KernelGround

    return KernelGround(config.runroot.absolute(), config.nft_table, f"podlink of {config.root.absolute()}")


def _facts(config: Config) -> HostFacts:
    """What the spec must know of the host. An emulated host is a made-up one: the same on every machine."""
    if config.runtime == "emulator":
        return HostFacts(cgroup_version=2, capabilities=frozenset(facts.every_capability()))
    found = facts.read(f"/{config.cgroup_parent}")
    return HostFacts(
        cgroup_version=found.cgroup_version,
        capabilities=found.capabilities,
        architecture=found.architecture,
        seccomp=found.seccomp,
        devices=tuple(Device(**vars(each)) for each in found.devices),
        selinux=found.selinux,
        apparmor=found.apparmor,
        controls=found.controls,
        rlimits=tuple(Rlimit(kind, soft, hard) for kind, (soft, hard) in found.rlimits.items()),
        oom_score_adj=found.oom_score_adj,
        processors=found.processors,
        memory_nodes=found.memory_nodes,
        realtime_budget=found.realtime_budget,
    )


def _cleanup_command(config: Config) -> tuple[str, ...]:
    """The argv, to which a container's ID is added, of `engine/cleanup.py`. It finds this very podlink, wherever it runs."""
    home = str(Path(podlink.__file__).absolute().parent.parent)
    script = f"import sys; sys.path.insert(0, {home!r}); from podlink.engine.cleanup import main; main()"
    return (sys.executable, "-I", "-c", script, config.to_text())
