"""The parts of the document that have rules of their own."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from podlink.engine.oci.spec import seccomp, syscalls
from podlink.engine.oci.spec.mounts import mounts
from podlink.engine.oci.spec.namespaces import namespaces
from podlink.engine.oci.spec.values import ContainerConfig, Placement, Tmpfs, User, Volume

CONFIG = ContainerConfig(args=("true",))


def placed(network: str = "private", pid: str = "private", ipc: str = "private", uts: str = "private") -> Placement:
    """A start in these namespaces."""
    return Placement(
        container="c" * 64, rootfs=Path("/r"), user=User(), cgroup="/p/c", network=network, pid=pid, ipc=ipc, uts=uts
    )


def names_of(action: str, held: tuple[str, ...] = ()) -> set[str]:
    """The calls that a profile decides on by name alone."""
    rules = seccomp.profile("x86_64", held)["syscalls"]
    return {name for rule in rules if rule["action"] == action and "args" not in rule for name in rule["names"]}


def test_every_system_call_is_in_one_place_only() -> None:
    tables = [*syscalls.ALLOWED.values(), *(names for _, names in syscalls.GATED), *syscalls.REFUSED.values()]
    by_argument = ["clone", "socket", "socketpair", "personality"]
    counts = Counter([name for names in tables for name in names.split()] + by_argument)
    assert [name for name, count in counts.items() if count > 1] == []


def test_what_defeats_the_filter_is_answered_as_by_an_older_kernel() -> None:
    decided = names_of(seccomp.ALLOW) | names_of(seccomp.ERRNO)
    assert decided.isdisjoint({"clone3", "io_uring_setup", "io_uring_enter", "io_uring_register", "socketcall"})
    assert seccomp.profile("x86_64", ())["defaultErrnoRet"] == seccomp.ENOSYS


@pytest.mark.parametrize(
    ("capability", "call"),
    [("CAP_SYS_ADMIN", "mount"), ("CAP_SYS_MODULE", "init_module"), ("CAP_SYS_TIME", "clock_settime"), ("CAP_BPF", "bpf")],
)
def test_a_capability_opens_its_calls_and_no_others(capability: str, call: str) -> None:
    assert call in names_of(seccomp.ERRNO)
    assert call in names_of(seccomp.ALLOW, (capability,))
    assert "kexec_load" in names_of(seccomp.ERRNO, (capability,))


@pytest.mark.parametrize(("machine", "architectures"), seccomp.ARCHITECTURES.items())
def test_older_programs_of_the_machine_are_filtered_too(machine: str, architectures: tuple[str, ...]) -> None:
    assert seccomp.profile(machine, ())["architectures"] == list(architectures)
    assert len(architectures) == 2


def test_a_machine_without_a_table_filters_its_own_calls() -> None:
    assert "architectures" not in seccomp.profile("riscv64", ())


def test_clone_is_looked_at_where_the_machine_has_its_flags() -> None:
    rules = seccomp.profile("s390x", ())["syscalls"]
    assert {rule["args"][0]["index"] for rule in rules if rule["names"] == ["clone"]} == {1}


def test_the_mounts_are_those_of_the_interface_in_order() -> None:
    assert [mount.destination for mount in mounts(CONFIG, 1)] == [
        "/proc",
        "/dev",
        "/dev/pts",
        "/dev/shm",
        "/dev/mqueue",
        "/sys",
        "/sys/fs/cgroup",
    ]
    assert mounts(CONFIG, 1)[-1].options == ("nosuid", "noexec", "nodev", "relatime", "ro")


@pytest.mark.parametrize(("size", "option"), [(2**20, "size=1024k"), (1, "size=1k"), (1025, "size=2k")])
def test_shared_memory_is_never_without_a_limit(size: int, option: str) -> None:
    (found,) = (mount for mount in mounts(replace(CONFIG, shm_size=size), 1) if mount.destination == "/dev/shm")
    assert option in found.options


def test_a_network_is_private_shared_or_joined() -> None:
    assert {"type": "network"} in namespaces(placed(network="private"), 1)
    assert "network" not in [each["type"] for each in namespaces(placed(network="host"), 1)]
    assert {"type": "network", "path": "/run/netns/x"} in namespaces(placed(network="/run/netns/x"), 1)
    with pytest.raises(ValueError, match="neither private"):
        namespaces(placed(network="bridge"), 1)


@pytest.mark.parametrize("kind", ["pid", "ipc", "uts"])
def test_the_others_too(kind: str) -> None:
    assert kind not in [each["type"] for each in namespaces(placed(**{kind: "host"}), 1)]
    assert {"type": kind, "path": "/proc/7/ns/x"} in namespaces(placed(**{kind: "/proc/7/ns/x"}), 1)


def test_version_2_alone_has_a_cgroup_namespace() -> None:
    assert {"type": "cgroup"} in namespaces(placed(), 2)
    assert {"type": "cgroup"} not in namespaces(placed(), 1)


def test_what_is_asked_for_takes_the_place_of_ours_and_shorter_paths_come_first() -> None:
    volumes = (Volume(source="/a", destination="/x/y"), Volume(source="/b", destination="/dev/shm"))
    found = mounts(replace(CONFIG, volumes=volumes, tmpfs=(Tmpfs(destination="/x"),)), 1)
    assert [mount.destination for mount in found][-3:] == ["/x", "/x/y", "/dev/shm"]
    assert [mount.source for mount in found if mount.destination == "/dev/shm"] == ["/b"]


def test_a_brought_filter_is_resolved_for_the_container() -> None:
    rules = [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["reboot"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
    ]
    table = [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}]
    document = {"defaultAction": "SCMP_ACT_ERRNO", "archMap": table, "syscalls": rules}
    bare = seccomp.given(document, "x86_64", ())
    assert [rule["names"] for rule in bare["syscalls"]] == [["read"]] and "archMap" not in bare
    assert bare["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert len(seccomp.given(document, "x86_64", ["CAP_SYS_ADMIN"])["syscalls"]) == 2
