"""What every test may use: probes that say what this host can do."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import hypothesis
import own_cgroups
import pytest
from busybox_rootfs import write_busybox
from loop_disk import loop_disk
from registry_server import running_registry

from podlink.engine.linux import syscalls


@cache
def is_root() -> bool:
    return os.geteuid() == 0


@cache
def has_runc() -> bool:
    return shutil.which("runc") is not None


@cache
def has_overlay() -> bool:
    """Whether an overlay can be mounted: tried, not guessed."""
    if not is_root():
        return False
    with tempfile.TemporaryDirectory() as folder:
        for name in ("lower", "upper", "work", "merged"):
            Path(folder, name).mkdir()
        options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
        done = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, f"{folder}/merged"], capture_output=True)
        if done.returncode == 0:
            subprocess.run(["umount", f"{folder}/merged"], check=True)
        return done.returncode == 0


@cache
def has_idmapped() -> bool:
    """Whether files can be shown with other owners, where temporary folders are: tried, not guessed."""
    from podlink.engine.storage import probe

    with tempfile.TemporaryDirectory() as folder:
        return is_root() and not probe.maps_owners(Path(folder), "index=off")


@cache
def mounts(kind: str) -> bool:
    """Whether a file can be mounted as a file system of this kind: tried, not guessed."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with loop_disk(Path(folder), kind):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def has_sctp() -> bool:
    """Whether the kernel speaks it: it may be in a module that is not there."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


def installed(program: str) -> Callable[[], bool]:
    return lambda: shutil.which(program) is not None


PROBES: dict[str, Callable[[], bool]] = {
    "root": is_root,
    "runc": has_runc,
    "overlay": has_overlay,
    "idmapped": has_idmapped,
    "loop": partial(mounts, "ext4"),
    "xfs": partial(mounts, "xfs"),
    "btrfs": partial(mounts, "btrfs"),
    "docker-registry": installed("docker-registry"),
    "skopeo": installed("skopeo"),
    "umoci": installed("umoci"),
    "tar": installed("tar"),
    "gcc": installed("gcc"),
    "nft": installed("nft"),
    "systemd": lambda: Path("/run/systemd/system").is_dir(),  # sd_booted(3)
    "sctp": has_sctp,
    "varlinkctl": installed("varlinkctl"),
}


def leave_the_machines_network() -> None:
    """Give this test process a network namespace of its own, with loopback alone: what its engines build there is seen by nobody,
    goes with it, and never meets what another test process builds. Threads and processes started later are in it, too."""
    if is_root():
        try:
            syscalls.unshare(syscalls.CLONE_NEWNET)
        except PermissionError:
            return
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def lacking(name: str) -> bool:
    """Whether to skip for want of `name`: never where PODLINK_REQUIRE promises it (then the test fails instead)."""
    promised = name in os.environ.get("PODLINK_REQUIRE", "").split(",")
    return not promised and not PROBES[name]()


OWN_FOLDER = pytest.StashKey[Path]()
hypothesis.settings.register_profile(
    # The same examples each time, however slow the machine is: what looks for new ones is tests/fuzz.
    "tests",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("tests")


@pytest.hookimpl(tryfirst=True)  # before pytest makes up its own mind where temporary folders are
def pytest_configure(config: pytest.Config) -> None:
    leave_the_machines_network()
    if not config.option.basetemp:
        folder = config.stash[OWN_FOLDER] = Path(tempfile.mkdtemp(prefix="podlink-tests-"))
        config.option.basetemp = str(folder / "t")
    config.addinivalue_line(
        "markers", "needs(*names): skip where a probe finds that this host lacks one of: " + ", ".join(PROBES)
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove the folder of a session that went well. It is its own: where sessions share one, as they do unless pytest is told
    otherwise, each removes what older ones left there, and fails for what is in use in those."""
    if exitstatus == 0 and (folder := session.config.stash.get(OWN_FOLDER, None)):
        shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("needs"):
            for name in mark.args:
                if lacking(name):
                    item.add_marker(pytest.mark.skip(reason=f"this host has no {name}"))


@pytest.fixture(scope="session", autouse=True)
def no_cgroup_is_left() -> Iterator[None]:
    """Of all the tests of this process together; each removes what it made."""
    yield
    assert own_cgroups.left() == []


@pytest.fixture
def cgroup_parent() -> Iterator[str]:
    """The name of a cgroup of the test's own, for an engine's `cgroup_parent`. It goes with the test."""
    parent = own_cgroups.new_parent()
    yield parent
    own_cgroups.remove_cgroups(parent)


@pytest.fixture
def registry(tmp_path: Path, registries_conf: Callable[[str], Path]) -> Iterator[str]:
    """The address of a plain, empty registry that ends with the test. registries.conf calls it insecure, and searches it alone.
    Whoever asks for it is marked needs("docker-registry")."""
    with running_registry(tmp_path / "registry") as address:
        registries_conf(f'unqualified-search-registries = ["{address}"]\n[[registry]]\nlocation = "{address}"\ninsecure = true\n')
        yield address


@pytest.fixture
def registries_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write the registries.conf that counts in this test. Nothing that this host or its user has configured does."""
    path = tmp_path / "registries.conf"

    def write(text: str) -> Path:
        path.write_text(text)
        return path

    for name in (
        "REGISTRY_AUTH_FILE",
        "DOCKER_CONFIG",
        "XDG_CONFIG_HOME",
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    write("unqualified-search-registries = []\n")
    return write


@pytest.fixture(scope="session")
def busybox_tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system tarball: static busybox and its applets, or what stands in for it."""
    return write_busybox(tmp_path_factory.mktemp("images") / "busybox.tar")
