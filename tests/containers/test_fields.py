"""The fields of Create, seen from inside a running container or in the kernel's own files. On a real kernel with runc."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from podlink.engine.containers.request import ResourceRequest
from podlink.engine.errors import ContainerInUse, InvalidRequest, InvalidState, NotHonoured
from podlink.engine.linux import cgroups, disks

pytestmark = pytest.mark.needs("root", "runc", "overlay")

LOOP = ("/bin/sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done")


def control(real: Any, container: Any, name: str) -> str:
    """The text of a control file of the container's cgroup, by its name alone."""
    for place in cgroups.paths(f"/{real.config.cgroup_parent}/{container.id}").values():
        if (place / name).exists():
            return (place / name).read_text().strip()
    raise AssertionError(f"no {name}")


def effective(real: Any, **fields: Any) -> int:
    """The mask of what init may do."""
    return int(real.output("/bin/sh", "-c", "grep CapEff /proc/self/status", **fields).split()[1], 16)


def test_capabilities_are_the_usual_ones_and_change_as_asked(real: Any) -> None:
    chown, raw, admin = 1 << 0, 1 << 13, 1 << 21
    assert effective(real) & (chown | raw | admin) == chown
    assert effective(real, cap_add=["NET_RAW"], cap_drop=["CAP_CHOWN"]) & (chown | raw | admin) == raw
    assert effective(real, cap_drop=["ALL"]) == 0
    assert effective(real, cap_drop=["ALL"], cap_add=["net_raw"]) == raw
    with pytest.raises(InvalidRequest, match="cap_add"):
        real.create("true", cap_add=["CAP_EVERYTHING"])


def test_a_privileged_container_is_confined_by_little(real: Any) -> None:
    script = "grep Seccomp: /proc/self/status; wc -c < /proc/interrupts; ls /dev | wc -l; grep ' /sys ' /proc/mounts"
    seccomp, interrupts, devices, sys = real.output("/bin/sh", "-c", script, privileged=True).splitlines()
    assert seccomp.endswith("0") and int(interrupts) > 0 and sys.split()[3].startswith("rw")
    assert int(devices) > int(real.output("/bin/sh", "-c", "ls /dev | wc -l"))
    assert effective(real, privileged=True) & (1 << 21)


def test_a_network_is_none_the_hosts_or_its_own(real: Any) -> None:
    def inode(**fields: Any) -> str:
        text: str = real.output("readlink", "/proc/self/ns/net", **fields)
        return text.strip()

    own = str(Path("/proc/self/ns/net").readlink())
    assert inode(net_mode="host") == own
    assert own not in (inode(net_mode="none"), inode())
    assert "lo" in real.output("cat", "/proc/net/dev", net_mode="none")


def test_a_directory_as_shared_memory(real: Any, tmp_path: Path) -> None:
    folder = tmp_path / "shm"
    folder.mkdir()
    real.output("/bin/sh", "-c", "echo x > /dev/shm/file", shm_dir=str(folder))
    for wrong in ("data", str(folder / "not-there"), "/etc/passwd"):
        with pytest.raises(InvalidRequest, match=f"^shm_dir: '{wrong}'"):
            real.create(*LOOP, shm_dir=wrong)
    assert (folder / "file").read_text() == "x\n"


def test_the_user_gets_more_groups(real: Any) -> None:
    assert real.output("id", "-G", user="7:8", group_add=["9", "10"]) == "8 9 10\n"


def test_args_hold_image_and_command(real: Any) -> None:
    container = real.engine.containers.create(args=["small", "echo", "from args"])
    container.start()
    assert container.wait() == 0 and container.logs() == ["from args\n"]
    with pytest.raises(InvalidRequest, match="args"):
        real.create("true", args=["other", "true"])


def test_limits_are_in_the_cgroup(real: Any) -> None:
    version = cgroups.version()
    asked = ResourceRequest(
        memory=64 * 2**20,
        memory_reservation=32 * 2**20,
        memory_swap=96 * 2**20,
        cpus=0.5,
        cpu_shares=512,
        cpuset_cpus="0",
        cpuset_mems="0",
        pids_limit=20,
    )
    container = real.run(*LOOP, resources=asked)
    if version == 1:
        assert control(real, container, "memory.limit_in_bytes") == str(64 * 2**20)
        assert control(real, container, "memory.soft_limit_in_bytes") == str(32 * 2**20)
        assert control(real, container, "memory.memsw.limit_in_bytes") == str(96 * 2**20)
        assert control(real, container, "cpu.cfs_quota_us") == "50000" and control(real, container, "cpu.shares") == "512"
    else:
        assert control(real, container, "memory.max") == str(64 * 2**20)
        assert control(real, container, "memory.low") == str(32 * 2**20)
        assert control(real, container, "memory.swap.max") == str(32 * 2**20)
        assert control(real, container, "cpu.max") == "50000 100000"
        assert (
            control(real, container, "cpu.weight") == "20"
        )  # 1 + (512 - 2) * 9999 / 262142, as runtimes turn cpu_shares into it
    assert control(real, container, "pids.max") == "20"
    assert control(real, container, "cpuset.cpus") == "0" and control(real, container, "cpuset.mems") == "0"


def test_a_part_of_the_processors_time_is_in_the_cgroup(real: Any) -> None:
    container = real.run(*LOOP, resources=ResourceRequest(cpu_quota=20_000, cpu_period=50_000))
    if cgroups.version() == 1:
        assert (
            control(real, container, "cpu.cfs_quota_us") == "20000" and control(real, container, "cpu.cfs_period_us") == "50000"
        )
    else:
        assert control(real, container, "cpu.max") == "20000 50000"
    assert container.inspect()["HostConfig"]["NanoCpus"] == 4 * 10**8


def test_what_changes_nothing_of_the_run_is_noted_on_it(real: Any) -> None:
    """Labels are shown; detach and quiet are annotations, as whoever looks at runc's own file sees."""
    container = real.run(*LOOP, labels={"a.b": "c", "empty": ""}, detach=True, quiet=True)
    noted = json.loads((real.config.runroot / "containers" / container.id / "config.json").read_text())["annotations"]
    assert noted == {"io.projectatomic.podman.detach": "true", "io.projectatomic.podman.quiet": "true"}
    shown = container.inspect()["Config"]
    assert shown["Annotations"] == noted and shown["Labels"] == {"a.b": "c", "empty": ""}
    assert container.summary().container.config.labels == shown["Labels"]
    bare = real.run(*LOOP)
    assert "annotations" not in json.loads((real.config.runroot / "containers" / bare.id / "config.json").read_text())
    assert bare.inspect()["Config"]["Annotations"] == {}


@pytest.mark.skipif(cgroups.version() == 2, reason="cgroup version 2 has neither swappiness nor a switch for the killer")
def test_limits_that_only_version_1_has(real: Any) -> None:
    asked = ResourceRequest(memory=64 * 2**20, memory_swappiness=42, disable_oomkiller=True)
    container = real.run(*LOOP, resources=asked)
    assert control(real, container, "memory.swappiness") == "42"
    assert "oom_kill_disable 1" in control(real, container, "memory.oom_control")


def test_block_rates_are_in_the_cgroup(real: Any) -> None:
    disk = next((f"/dev/{path.name}" for path in sorted(Path("/sys/block").iterdir()) if Path(f"/dev/{path.name}").exists()), "")
    assert disk, "no block device on this host"
    number = Path(disk).stat().st_rdev
    asked = ResourceRequest(
        device_read_bps=[f"{disk}:10mb"],
        device_write_bps=[f"{disk}:20mb"],
        device_read_iops=[f"{disk}:66"],
        device_write_iops=[f"{disk}:77"],
    )
    container = real.run(*LOOP, resources=asked)
    key = f"{os.major(number)}:{os.minor(number)}"
    rates = {"read_bps": 10 * 2**20, "write_bps": 20 * 2**20, "read_iops": 66, "write_iops": 77}
    if cgroups.version() == 1:
        seen = {rate: control(real, container, f"blkio.throttle.{rate}_device") for rate in rates}
        assert seen == {rate: f"{key} {value}" for rate, value in rates.items()}
    else:
        assert control(real, container, "io.max") == f"{key} rbps={10 * 2**20} wbps={20 * 2**20} riops=66 wiops=77"


def test_a_disk_has_its_weight_or_is_refused_before_anything_is_made(real: Any) -> None:
    disk = next((f"/dev/{path.name}" for path in sorted(Path("/sys/block").iterdir()) if Path(f"/dev/{path.name}").exists()), "")
    number = Path(disk).stat().st_rdev
    asked = ResourceRequest(blkio_weight_device=[f"{disk}:300"])
    weighs = {"blkio.weight_device": "", "blkio.bfq.weight_device": "bfq", "io.bfq.weight": "bfq"}
    names = [name for name in weighs if name in real.engine.host.facts.controls]
    if names and weighs[names[0]] in ("", disks.scheduler(number)):
        container = real.run(*LOOP, resources=asked)
        assert f"{os.major(number)}:{os.minor(number)} 300" in control(real, container, names[0])
        return
    with pytest.raises(NotHonoured, match=r"resources\.blkio_weight_device.*(scheduler|control)"):
        real.create(*LOOP, resources=asked)
    assert real.engine.containers.list() == []


def test_a_limit_that_this_kernel_lacks_is_refused_before_anything_is_made(real: Any) -> None:
    names = ["blkio.weight", "blkio.bfq.weight", "io.bfq.weight", "io.weight"]
    if there := [name for name in names if name in real.engine.host.facts.controls]:
        container = real.run(*LOOP, resources=ResourceRequest(blkio_weight=200))
        weight = 1 + (200 - 10) * 9999 // 990 if there[0] == "io.weight" else 200  # as runc converts it
        assert control(real, container, there[0]).split()[-1] == str(weight)
        assert container.inspect()["HostConfig"]["BlkioWeight"] == 200
        return
    with pytest.raises(NotHonoured, match=r"resources\.blkio_weight"):
        real.create(*LOOP, resources=ResourceRequest(blkio_weight=100))
    assert real.engine.containers.list() == [] and real.engine.host.storage.known()[1] == []


def test_process_limits_and_the_killers_score(real: Any) -> None:
    asked = ResourceRequest(ulimit=["nofile=100:200", "core=0"], oom_score_adj=300)
    script = "ulimit -Sn; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj"
    assert real.output("/bin/sh", "-c", script, resources=asked) == "100\n200\n0\n300\n"


def test_no_new_privileges(real: Any) -> None:
    script = "grep NoNewPrivs /proc/self/status"
    assert real.output("/bin/sh", "-c", script, no_new_privs=True).split() == ["NoNewPrivs:", "1"]
    assert real.output("/bin/sh", "-c", script, security_opts=["no-new-privileges"]).split() == ["NoNewPrivs:", "1"]
    assert real.output("/bin/sh", "-c", script).split() == ["NoNewPrivs:", "0"]


def test_another_filter_of_system_calls(real: Any, tmp_path: Path) -> None:
    mode = ("/bin/sh", "-c", "grep Seccomp: /proc/self/status; mkdir /tmp/made && echo made")
    assert real.output(*mode, seccomp_profile_path="unconfined").split() == ["Seccomp:", "0", "made"]
    profile = tmp_path / "no-mkdir.json"
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "args": [], "includes": {}, "excludes": {}}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    container = real.run(*mode, security_opts=[f"seccomp={profile}"])
    assert container.wait() != 0
    assert "Seccomp:\t2\n" in container.logs() and "made\n" not in container.logs()


def test_paths_are_masked_and_unmasked(real: Any) -> None:
    assert real.output("/bin/sh", "-c", "wc -c < /proc/interrupts") == "0\n"
    assert real.output("/bin/sh", "-c", "wc -c < /proc/interrupts", security_opts=["unmask=/proc/interrupts"]) != "0\n"
    assert real.output("/bin/sh", "-c", "wc -c < /proc/version", security_opts=["mask=/proc/version"]) == "0\n"


@pytest.mark.parametrize("field", ["pid_mode", "ipc_mode", "uts_mode"])
@pytest.mark.parametrize("shared", ["host", "container", "ns"])
def test_namespaces_are_shared(real: Any, field: str, shared: str) -> None:
    kind = field.removesuffix("_mode")
    holder = real.run(*LOOP, name="holder")
    pid = holder.summary().container.pid if shared != "host" else os.getpid()
    mode = {"host": "host", "container": "container:holder", "ns": f"ns:/proc/{pid}/ns/{kind}"}[shared]
    mine = real.run(*LOOP, **{field: mode})
    inode = Path(f"/proc/{pid}/ns/{kind}").readlink()
    assert Path(f"/proc/{mine.summary().container.pid}/ns/{kind}").readlink() == inode
    if shared == "container":
        with pytest.raises(ContainerInUse, match="shares its namespaces"):
            holder.remove(force=True)
        assert holder.summary().container.status == "running", "a removal that is refused stops nobody"
        holder.stop(5)
        assert mine.inspect()["Dependencies"] == [holder.id]
        with pytest.raises(ContainerInUse, match="shares its namespaces"):
            holder.remove()
    mine.remove(force=True)


def test_a_container_to_join_must_be_there_and_run(real: Any) -> None:
    with pytest.raises(InvalidRequest, match="pid_mode"):
        real.create("true", pid_mode="container:nobody")
    with pytest.raises(InvalidRequest, match="uts_mode"):
        real.create("true", uts_mode="everybody")
    holder = real.create(*LOOP, name="holder")
    joiner = real.create("true", ipc_mode="container:holder")
    with pytest.raises(InvalidState, match="ipc_mode: container holder"):
        joiner.start()
    assert joiner.summary().container.status == "configured"
    joiner.remove()
    holder.remove()


def test_shared_memory_is_shared_with_the_namespace(real: Any) -> None:
    real.run("/bin/sh", "-c", f"echo here > /dev/shm/word; {LOOP[2]}", name="holder")
    output = real.output("/bin/sh", "-c", "until cat /dev/shm/word 2>/dev/null; do sleep 0.1; done", ipc_mode="container:holder")
    assert output == "here\n"
    assert (
        real.output("/bin/sh", "-c", "df -k /dev/shm | tail -1", resources=ResourceRequest(shm_size=8 * 2**20)).split()[1]
        == "8192"
    )


def test_the_host_name_of_the_host(real: Any) -> None:
    assert real.output("hostname", uts_mode="host") == socket.gethostname() + "\n"
    with pytest.raises(InvalidRequest, match="hostname"):
        real.create("true", uts_mode="host", hostname="mine")


def test_volumes_of_the_host(real: Any, tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.mkdir()
    (source / "file").write_text("outside\n")
    assert real.output("/bin/sh", "-c", "cat /data/file; echo inside > /data/new", volumes=[f"{source}:/data"]) == "outside\n"
    assert (source / "new").read_text() == "inside\n"
    script = "touch /data/x 2>/dev/null || echo read-only"
    assert real.output("/bin/sh", "-c", script, volumes=[f"{source}:/data:ro"]) == "read-only\n"
    for wrong in (
        "data/x:/data",
        f"{source}:data",
        f"{tmp_path}/nowhere:/data",
        f"{source}:/data:bogus",
        f"{source}:/data:ro,rw",
        f"{source}:/",
    ):
        with pytest.raises(InvalidRequest, match="volumes"):
            real.create("true", volumes=[wrong])
    with pytest.raises(NotHonoured, match="SELinux"):
        real.create("true", volumes=[f"{source}:/data:z"])
    with pytest.raises(InvalidRequest, match="twice"):
        real.create("true", volumes=[f"{source}:/data"], tmpfs=["/data"])


def test_a_named_volume_is_filled_once_and_stays(real: Any) -> None:
    count = "ls /bin | wc -l"
    names = real.output("/bin/sh", "-c", count)
    assert real.output("/bin/sh", "-c", "ls /data | wc -l; echo kept > /data/own", volumes=["tools:/data"]) == "0\n"
    assert real.output("/bin/sh", "-c", "cat /data/own", volumes=["tools:/data"]) == "kept\n"
    assert real.output("/bin/sh", "-c", count, volumes=["copy:/bin"]) == names
    folder = real.config.root / "volumes" / "copy" / "_data"
    assert len(list(folder.iterdir())) == int(names)


def test_an_anonymous_volume_goes_with_its_container(real: Any) -> None:
    container = real.run("/bin/sh", "-c", "echo x > /data/file", volumes=["/data"])
    assert container.wait() == 0
    folder = real.engine.host.directory(container.id) / "volumes"
    assert [path.read_text() for path in folder.rglob("file")] == ["x\n"]
    container.remove()
    assert not folder.exists()


def test_the_images_volumes(real: Any, busybox_tar: Path) -> None:
    real.engine.images.import_image(str(busybox_tar), "vol", changes=["CMD=/bin/sh", "VOLUME=/var/data"])
    script = ("/bin/sh", "-c", "grep ' /var/data ' /proc/self/mountinfo | cut -d' ' -f4")

    def kind(**fields: Any) -> str:
        container = real.engine.containers.create(image="vol", command=script, **fields)
        container.start()
        assert container.wait() == 0
        return "".join(container.logs())

    assert kind().endswith("/_data\n")
    more = ("/bin/sh", "-c", "grep -c -e ' /var/data ' -e ' /var/more ' /proc/self/mountinfo")
    assert real.output(*more, builtin_imgvolumes=["/var/more"]) == "1\n"
    assert kind(image_volume_type="tmpfs") == "/\n"
    assert kind(image_volume_type="ignore") == ""
    with pytest.raises(InvalidRequest, match="image_volume_type"):
        kind(image_volume_type="nfs")


def test_file_systems_in_memory(real: Any) -> None:
    output = real.output("/bin/sh", "-c", "grep ' /scratch ' /proc/mounts", tmpfs=["/scratch:size=64k,mode=700"]).split()
    assert output[2] == "tmpfs" and {"nosuid", "nodev", "noexec", "size=64k", "mode=700"} <= set(output[3].split(","))
    with pytest.raises(InvalidRequest, match="tmpfs"):
        real.create("true", tmpfs=["/scratch:lowerdir=/etc"])


def test_devices(real: Any) -> None:
    container = real.run(*LOOP, devices=["/dev/kmsg:/dev/messages:r"])
    script = "exec 3</dev/messages && echo readable; exec 3>/dev/messages"
    output = real.output("/bin/sh", "-c", script, devices=["/dev/kmsg:/dev/messages:r"], cap_add=["SYSLOG"])
    assert output.startswith("readable\n") and "not permitted" in output
    assert container.inspect()["HostConfig"]["Devices"][0]["path"] == "/dev/messages"
    for wrong in ("/dev/nowhere", "/etc/passwd", "null", "/", "/dev/..", "/dev/null:/dev/a\0b"):
        with pytest.raises(InvalidRequest, match="devices"):
            real.create("true", devices=[wrong])


def test_kernel_settings_of_its_own_namespaces(real: Any) -> None:
    settings = {"kernel.msgmax": "4096", "net.ipv4.ip_forward": "1"}
    assert (
        real.output("/bin/sh", "-c", "cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward", sys_ctl=settings) == "4096\n1\n"
    )
    for wrong, more in (
        ("kernel.panic", {}),
        ("net.ipv4.ip_forward", {"net_mode": "host"}),
        ("kernel.sem", {"ipc_mode": "host"}),
    ):
        with pytest.raises(InvalidRequest, match="sys_ctl"):
            real.create("true", sys_ctl={wrong: "1"}, **more)


def test_another_parent_of_the_cgroup(real: Any) -> None:
    parent = f"{real.config.cgroup_parent}/deeper"
    container = real.run(*LOOP, cgroup_parent=parent)
    assert f"/{parent}/{container.id}" in Path(f"/proc/{container.summary().container.pid}/cgroup").read_text()
    assert container.stats().sample.pids >= 1
    container.remove(force=True)
    assert not any(path.exists() for path in cgroups.paths(f"/{parent}/{container.id}").values())
    cgroups.remove(f"/{parent}")
    with pytest.raises(InvalidRequest, match="cgroup_parent"):
        real.create("true", cgroup_parent="../../etc")


@pytest.mark.parametrize(
    "fields", [{"pod": "p"}, {"apparmor_profile": "mine"}, {"process_label": "a:b:c"}, {"mount_label": "a:b:c"}]
)
def test_what_this_host_can_not_do_is_refused_by_name(real: Any, fields: dict[str, str]) -> None:
    facts = real.engine.host.facts
    if ("apparmor_profile" in fields and facts.apparmor) or (fields.keys() & {"process_label", "mount_label"} and facts.selinux):
        assert real.create("true", **fields).inspect()
        return
    with pytest.raises(NotHonoured) as refusal:
        real.create("true", **fields)
    assert refusal.value.field == next(iter(fields))
