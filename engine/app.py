"""The composition root: a `Config` becomes a `Host` of real parts, and an `Engine` around it. Choices are made only here."""

import os
import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import podlink
from podlink.engine import places
from podlink.engine.clock import REAL, Clock
from podlink.engine.config import USUAL, Config, Limits
from podlink.engine.containers.reconcile import conclude_or_owe, reconcile, settle_arrears
from podlink.engine.errors import EngineUnavailable, ImageNotFound
from podlink.engine.handles import Containers, Images, Networks, System
from podlink.engine.host import Host
from podlink.engine.images.collect import collect
from podlink.engine.images.lookup import find_image
from podlink.engine.linux import facts, portable
from podlink.engine.linux.machine import Machine, ThisMachine
from podlink.engine.network import configured
from podlink.engine.network.driver import Ground
from podlink.engine.network.wires import Wires
from podlink.engine.oci.image.platforms import EVERY_FEATURE
from podlink.engine.oci.spec.values import Device, HostFacts, Rlimit
from podlink.engine.runtime.arrears import Arrears
from podlink.engine.runtime.base import Runtime
from podlink.engine.runtime.waits import Waits
from podlink.engine.storage.content import Content
from podlink.engine.storage.driver import StorageDriver
from podlink.engine.storage.scratch import Scratch

if TYPE_CHECKING:
    from podlink.engine.faults.faults import Faults
    from podlink.engine.runtime.emulator.programs import Programs


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
            host.arrears.begin(partial(settle_arrears, host))
            reconcile(host)
            collect(host)
            host.runtime.listen(partial(conclude_or_owe, host))
            return cls(host, stack.pop_all())

    @classmethod
    def emulated(cls, root: Path | None = None, *, seed: int | None = None, clock: Clock = REAL, limits: Limits = USUAL) -> Self:
        """An engine without a kernel under it: no root privileges, no runc; containers live in this process and end with it.

        root: where to keep files, which one process at a time may hold; None: in memory and a temporary folder that goes
        with the engine. seed: makes IDs and names the same at each run. clock: a `VirtualClock` for time that passes when a test
        says so. limits: on images.
        """
        with ExitStack() as stack:
            folder = root or _scratch(stack)
            config = Config(root=folder, runroot=folder / "run", runtime="emulator", storage_driver="vfs", limits=limits)
            chooser = random.Random(seed) if seed is not None else None
            host = stack.enter_context(open_host(config, in_memory=root is None, chooser=chooser, clock=clock))
            host.arrears.begin(partial(settle_arrears, host))
            if root is not None:
                reconcile(host)
                collect(host)
            host.runtime.listen(partial(conclude_or_owe, host))
            engine = cls(host, stack.pop_all())
            engine.programs.find_image = partial(_image_id, host)
            return engine

    @property
    def programs(self) -> "Programs":
        """What runs in emulated containers, by absolute path (`/usr/sbin/nginx`) or by base name: put a function there.

            def nginx(process: Process) -> int:         it gets its arguments, environment, files, streams and signals
                process.write(1, "serving\\n")
                process.pause()                         until a signal comes
                return 0

            engine.programs["/usr/sbin/nginx"] = nginx

        An image as a key (`web:1`, or its ID) has the function stand for whatever its containers are told to run. Raises
        EngineUnavailable for an engine whose containers run on a real kernel; InvalidRequest for a key or a value that is none.
        """
        if self.host.runtime.name != "emulator":
            raise EngineUnavailable(f"programs are for an emulated engine; this one runs containers on {self.host.runtime.name}")
        runtime: Any = self.host.runtime
        programs: Programs = runtime.programs
        return programs

    @property
    def faults(self) -> "Faults":
        """Failures on demand, for tests: `with engine.faults.fail("storage.mount"): …`."""
        from podlink.engine.faults.faults import Faults

        return Faults(self.host)

    def close(self) -> None:
        """Let go of what this engine holds. Containers live on; emulated ones end. Again is no error."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@contextmanager
def open_host(
    config: Config, *, in_memory: bool = False, chooser: random.Random | None = None, clock: Clock = REAL
) -> Iterator[Host]:
    """The parts of an engine, put together for as long as the block lasts. in_memory: the state is kept in no file."""
    from podlink.engine.state.state import State  # SQLAlchemy: who only imports the engine does not wait for it

    if config.runtime == "runc" and not portable.LINUX:
        raise EngineUnavailable("containers on runc need Linux; choose the emulator (--runtime emulator)")
    if config.runtime == "runc" and os.geteuid() != 0:
        raise EngineUnavailable("containers on runc need root; run as root, or choose the emulator (--runtime emulator)")
    configured.check(config.bridge, config.subnet, config.nft_table)
    with ExitStack() as stack, ExitStack() as parts:  # runs may end with their runtime, and the state outlives that
        stack.enter_context(places.claimed(config))
        if config.runtime == "emulator":
            stack.enter_context(places.alone(config.root))
        content = Content(config.root / "blobs")
        storage, runtime = _parts(config, clock, chooser, durable=not in_memory)
        parts.callback(storage.close)
        parts.callback(runtime.close)
        arrears = Arrears(clock)
        parts.callback(arrears.close)
        path, locks = (None, None) if in_memory else (config.root / "podlink.db", config.runroot / "locks")
        state = State.open(path, locks, clock.now, before_new=lambda: places.refuse_orphans(config, storage, content, runtime))
        stack.callback(state.close)
        waits = Waits(runtime.watch, clock)
        stack.callback(waits.close)
        # what a range of addresses of our own is made from: the same for the same root, or for the same seed
        owner = str(chooser.getrandbits(128) if chooser else config.root.absolute())
        host = Host(
            config=config,
            state=state,
            storage=storage,
            content=content,
            runtime=runtime,
            network=Wires(state, _ground(config), config.bridge, config.subnet, owner, clock.now),
            facts=_facts(config),
            machine=_machine(config, clock),
            clock=clock,
            waits=waits,
            arrears=arrears,
            chooser=chooser,
            cleanup=_cleanup_command(config),
        )
        process = os.getpid()
        try:
            yield host
        finally:
            if os.getpid() != process:  # a fork has copies of all that is held, and must let go of none of it
                stack.pop_all()
                parts.pop_all()


def _scratch(stack: ExitStack) -> Path:
    """A temporary folder that goes with the stack."""
    scratch = Scratch()
    stack.callback(scratch.remove)
    return scratch.path


def _image_id(host: Host, name: str) -> str:
    """Of the image that has this name now; empty: there is none."""
    try:
        return find_image(host, name).id
    except ImageNotFound:
        return ""


def _parts(config: Config, clock: Clock, chooser: random.Random | None, durable: bool) -> tuple[StorageDriver, Runtime]:
    """Those that are asked for are those that are loaded: no kind of engine needs what another stands on.

    Where nothing separates a container from the engine but the emulator, containers share their files until they write.
    """
    if config.runtime == "emulator":
        from podlink.engine.runtime.emulator.runtime import EmulatorRuntime
        from podlink.engine.storage.shared import SharedDriver
        from podlink.engine.storage.vfs import VfsDriver

        if durable:
            files = VfsDriver(config.root / "vfs", owners=False) if config.storage_driver == "vfs" else _storage(config)
            return files, EmulatorRuntime(clock, chooser=chooser)
        shared = SharedDriver(config.root / "vfs")
        return shared, EmulatorRuntime(clock, files=shared, durable=False, chooser=chooser)
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


def _machine(config: Config, clock: Clock) -> Machine:
    """As the facts about it, real or made up."""
    if config.runtime == "emulator":
        from podlink.engine.runtime.emulator.machine import EmulatedMachine

        return EmulatedMachine(clock)
    return ThisMachine()


def _facts(config: Config) -> HostFacts:
    """What the spec must know of the host. An emulated host is a made-up one: the same on every machine."""
    if config.runtime == "emulator":
        return HostFacts(cgroup_version=2, capabilities=frozenset(facts.every_capability()), features=EVERY_FEATURE)
    found = facts.read(f"/{config.cgroup_parent}")
    return HostFacts(
        cgroup_version=found.cgroup_version,
        capabilities=found.capabilities,
        architecture=found.architecture,
        features=found.features,
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
