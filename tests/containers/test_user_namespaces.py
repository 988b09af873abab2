"""Containers with users of their own, seen from inside, from the host, and on the disk."""

import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from podlink.engine.containers import mappings
from podlink.engine.containers.request import IDMap, IDMappingOptions, ResourceRequest
from podlink.engine.errors import InvalidRequest, NotHonoured
from podlink.engine.storage import idmapped

LOOP = ("/bin/sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done")
MAP = ["0:100000:65536"]
real_host = pytest.mark.needs("root", "runc", "overlay", "idmapped")


def mapping(kind: str, pid: int) -> list[str]:
    return Path(f"/proc/{pid}/{kind}_map").read_text().split()


def require_mapping(bench: Any) -> None:
    if bench.engine.host.storage.maps_owners():
        pytest.skip("this host maps no owners where temporary folders are")


def ready(container: Any) -> int:
    """The PID of init, once it has written its first line."""
    while not container.logs():
        pass
    pid: int = container.summary().container.pid
    return pid


@real_host
def test_root_inside_is_nobody_in_particular_outside(stored: Any) -> None:
    container = stored.run(*LOOP, uidmap=MAP)
    pid = container.summary().container.pid
    assert mapping("uid", pid) == mapping("gid", pid) == ["0", "100000", "65536"]
    assert Path(f"/proc/{pid}").stat().st_uid == 100_000
    assert container.summary().namespaces["user"] != str(Path("/proc/self/ns/user").stat().st_ino)
    assert container.inspect()["HostConfig"]["UsernsMode"] == "private"


@real_host
def test_files_belong_to_the_containers_users_inside_and_to_mapped_ones_outside(
    stored: Any,
) -> None:
    script = f"touch /new; chown 5:6 /new; chmod 700 /etc/passwd; rm /bin/noexec; echo x > /tmp/f; mkdir /own; {LOOP[2]}"
    container = stored.run("/bin/sh", "-c", script, uidmap=MAP, gidmap=["0:200000:1000"])
    pid = ready(container)
    root = Path(f"/proc/{pid}/root")
    assert [((root / name).stat().st_uid, (root / name).stat().st_gid) for name in ("bin", "etc/passwd", "new")] == [
        (100_000, 200_000),
        (100_000, 200_000),
        (100_005, 200_006),
    ]
    written = stored.engine.host.storage.written(container.id)
    if stored.engine.host.storage.owners(container.id) is None:
        assert ((written / "new").stat().st_uid, (written / "new").stat().st_gid) == (5, 6)
        assert (written / "etc/passwd").stat().st_uid == (written / "own").stat().st_uid == 0
    changes = {change.path: change.kind for change in container.changes()}
    assert changes == {
        "/bin": "changed",
        "/bin/noexec": "deleted",
        "/etc": "changed",
        "/etc/passwd": "changed",
        "/new": "added",
        "/own": "added",
        "/tmp": "changed",
        "/tmp/f": "added",
    }
    container.stop(1)
    assert [change.path for change in container.changes()] == sorted(changes)


@real_host
def test_users_and_files_are_seen_as_the_image_has_them(stored: Any) -> None:
    script = (
        "id -u; id -G; stat -c %u:%g /bin /etc/passwd /root; touch /home/mine && stat -c %u:%g /home/mine; head -c 0 /dev/null"
    )
    lines = stored.output("/bin/sh", "-c", script, uidmap=MAP).splitlines()
    assert lines == ["0", "0 10", "0:0", "0:0", "0:0", "0:0"]
    assert stored.output("/bin/sh", "-c", "id -u; id -g; touch /tmp/a; stat -c %u:%g /tmp/a", uidmap=MAP, user="ada").split() == [
        "1000",
        "1001",
        "1000:1001",
    ]


@real_host
def test_a_commit_and_an_export_have_the_containers_ids(stored: Any, tmp_path: Path) -> None:
    script = f"echo hi > /file; chown 7:8 /file; {LOOP[2]}"
    container = stored.run("/bin/sh", "-c", script, uidmap=MAP)
    ready(container)
    archive = tmp_path / "out.tar"
    for _ in range(2):  # while it runs, and afterwards
        container.export(str(archive))
        with tarfile.open(archive) as tar:
            assert {(each.uid, each.gid) for each in tar if each.name not in ("file", "./file")} == {(0, 0)}
            (file,) = (each for each in tar if each.name in ("file", "./file"))
            assert (file.uid, file.gid) == (7, 8)
        container.stop(1)
    image = container.commit("mapped")
    again = stored.engine.containers.create(image=image, command=["/bin/sh", "-c", "stat -c %u:%g /file; cat /file"])
    again.start()
    again.wait()
    assert "".join(again.logs()) == "7:8\nhi\n"
    assert not list(idmapped.ROOTS.glob(f"*/{container.id}"))


@real_host
def test_it_starts_again_with_what_it_had_written(stored: Any) -> None:
    script = "cat /count 2>/dev/null; echo x >> /count; stat -c %u /count"
    container = stored.run("/bin/sh", "-c", script, uidmap=MAP)
    container.wait()
    container.start()
    container.wait()
    assert "".join(container.logs()) == "0\nx\n0\n"


@real_host
def test_the_usual_mounts_work_with_users_of_its_own(real: Any) -> None:
    script = """
        echo a > /dev/shm/a && stat -c %u /dev/shm; echo b > /dev/null; head -c 1 /dev/zero | wc -c
        ls /sys/kernel > /dev/null && echo sys; ls /sys/fs/cgroup > /dev/null && echo cgroup; ls -d /dev/pts /dev/mqueue
        hostname; touch /sys/x 2>/dev/null || echo read-only; cat /proc/self/status > /dev/null && echo proc
    """
    lines = real.output("/bin/sh", "-c", script, uidmap=MAP, hostname="inside").split()
    assert lines == ["0", "1", "sys", "cgroup", "/dev/mqueue", "/dev/pts", "inside", "read-only", "proc"]


@real_host
@pytest.mark.parametrize("fields", [{"net_mode": "host"}, {"pid_mode": "host"}, {"ipc_mode": "host"}, {"uts_mode": "host"}])
def test_namespaces_of_the_host_go_with_users_of_its_own(real: Any, fields: dict[str, str]) -> None:
    kind = next(iter(fields)).removesuffix("_mode")
    script = f"readlink /proc/self/ns/{kind}; ls /sys/class > /dev/null && cat /proc/self/uid_map; echo x > /sys/x"
    link, *rest = real.output("/bin/sh", "-c", script, uidmap=MAP, **fields).splitlines()
    assert link == str(Path(f"/proc/self/ns/{kind}").readlink()) and rest[0].split() == ["0", "100000", "65536"]
    assert "ead-only" in rest[1] or "denied" in rest[1]


@real_host
def test_the_user_namespace_of_another_container_or_of_a_path(real: Any) -> None:
    holder = real.run(*LOOP, name="holder", uidmap=MAP)
    pid = ready(holder)
    own = str(Path(f"/proc/{pid}/ns/user").readlink())
    script = "readlink /proc/self/ns/user; stat -c %u /bin; touch /made; stat -c %u /made"
    for mode in ("container:holder", f"ns:/proc/{pid}/ns/user"):
        assert real.output("/bin/sh", "-c", script, userns_mode=mode).splitlines() == [own, "0", "0"]
    shared = real.output(
        "/bin/sh",
        "-c",
        "readlink /proc/self/ns/pid; ps | grep -c sleep",
        userns_mode="container:holder",
        pid_mode="container:holder",
    )
    assert shared.splitlines()[0] == str(Path(f"/proc/{pid}/ns/pid").readlink())
    joining = real.create("true", userns_mode="container:holder")
    assert joining.inspect()["Dependencies"] == [holder.id]
    with pytest.raises(InvalidRequest, match="ipc_mode: "):
        real.create("true", uidmap=MAP, ipc_mode="container:holder")
    with pytest.raises(InvalidRequest, match="userns_mode: "):
        real.create("true", userns_mode="ns:/etc/passwd")
    joining.remove()


@real_host
def test_volumes_with_users_of_its_own(real: Any, tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.mkdir()
    os.chown(source, 101_000, 101_001)
    script = "stat -c %u /data /named /bin2; touch /data/new /named/new; stat -c %u /tmp2"
    output = real.output(
        "/bin/sh", "-c", script, uidmap=MAP, volumes=[f"{source}:/data", "named:/named", "copied:/bin2"], tmpfs=["/tmp2:uid=9"]
    )
    assert output.split()[:3] == ["1000", "0", "0"] and output.split()[-1] == "9"
    assert (source / "new").stat().st_uid == 100_000
    named = real.config.root / "volumes" / "named" / "_data"
    assert named.stat().st_uid == (named / "new").stat().st_uid == 100_000
    real.output("true", uidmap=MAP, volumes=["filled:/bin"])
    filled = real.config.root / "volumes" / "filled" / "_data"
    assert {path.lstat().st_uid for path in (filled, *filled.iterdir())} == {100_000}


@real_host
def test_kernel_settings_with_users_of_its_own(real: Any) -> None:
    settings = {"kernel.msgmax": "4096", "net.ipv4.ip_forward": "1", "fs.mqueue.msg_max": "20"}
    paths = " ".join("/proc/sys/" + name.replace(".", "/") for name in settings)
    assert real.output("/bin/sh", "-c", f"cat {paths}", uidmap=MAP, sys_ctl=settings).split() == list(settings.values())
    with pytest.raises(NotHonoured, match=r"sys_ctl: .*kernel\.domainname"):
        real.create("true", uidmap=MAP, sys_ctl={"kernel.domainname": "d"})


@real_host
def test_limits_and_places_with_users_of_its_own(real: Any) -> None:
    limits = ResourceRequest(ulimit=["nofile=100:200"], memory=2**26, pids_limit=50, shm_size=2**20)
    script = "pwd; stat -c %u .; ulimit -n; df -k /dev/shm | tail -1; touch /x 2>/dev/null || echo refused"
    fields = {"work_dir": "/tmp/made", "resources": limits}
    lines = real.output("/bin/sh", "-c", script, uidmap=MAP, **fields).splitlines()
    assert lines[:3] == ["/tmp/made", "0", "100"] and lines[3].split()[1] == "1024" and len(lines) == 4
    assert real.output("/bin/sh", "-c", "touch /x 2>/dev/null || echo no", uidmap=MAP, readonly_rootfs=True) == "no\n"


@real_host
def test_devices_with_users_of_its_own(real: Any) -> None:
    script = "head -c 3 /dev/nothing | wc -c; echo x > /dev/nothing; ls -l /dev/nothing /dev/fuse | grep -c ^c"
    devices = ["/dev/zero:/dev/nothing", *(["/dev/fuse"] if Path("/dev/fuse").exists() else ["/dev/null:/dev/fuse"])]
    assert real.output("/bin/sh", "-c", script, uidmap=MAP, devices=devices).split() == ["3", "2"]


@real_host
def test_a_privileged_container_with_users_of_its_own(real: Any) -> None:
    script = "grep CapEff /proc/self/status | cut -f2; cat /proc/self/uid_map"
    capabilities, uids = real.output("/bin/sh", "-c", script, uidmap=MAP, privileged=True).splitlines()
    assert int(capabilities, 16) & 1 << 21 and uids.split() == ["0", "100000", "65536"]


@real_host
def test_a_user_that_is_not_mapped_is_refused_and_nothing_is_left(real: Any) -> None:
    container = real.create("true", uidmap=["0:100000:500"], user="1000")
    with pytest.raises(InvalidRequest, match=r"^user: uid 1000 is not mapped"):
        container.start()
    assert container.summary().container.status == "configured" and not list(idmapped.ROOTS.glob(f"*/{container.id}"))


@real_host
def test_nobody_else_on_the_host_may_pass_to_a_mapped_root(real: Any) -> None:
    container = real.run(*LOOP, uidmap=MAP)
    ready(container)
    place = container.inspect()["GraphDriver"]["Data"]["MergedDir"]
    assert place.startswith(str(idmapped.ROOTS)) and Path(place, "bin/sh").exists()
    done = subprocess.run(["ls", place], user=65534, group=65534, extra_groups=[], capture_output=True, text=True)
    assert done.returncode != 0 and "denied" in done.stderr
    container.remove(force=True)
    assert not list(idmapped.ROOTS.glob(f"*/{container.id}"))


@real_host
def test_a_host_that_can_not_map_owners_refuses_by_name(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(real.engine.host.storage), "maps_owners", lambda driver: "idmapped mounts don't work here")
    for field in ("uidmap", "gidmap"):
        with pytest.raises(NotHonoured) as refusal:
            real.create("true", **{field: MAP})
        assert refusal.value.field == field


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"uidmap": MAP}, "private"),
        ({"gidmap": ["0:5:10,10:100:5"], "uidmap": MAP}, "private"),
        ({"userns_mode": "private", "uidmap": MAP}, "private"),
        ({"id_mappings": IDMappingOptions(uid_map=IDMap(host_id=5, size=11))}, "private"),
        ({"id_mappings": IDMappingOptions(host_uid_mapping=True, host_gid_mapping=True)}, "host"),
        ({"userns_mode": "host"}, "host"),
        ({}, "host"),
    ],
)
def test_the_mode_is_shown_as_it_was_settled(bench: Any, fields: dict[str, Any], shown: str) -> None:
    require_mapping(bench)
    container = bench.create("true", **fields)
    assert container.inspect()["HostConfig"]["UsernsMode"] == shown
    container.start()
    assert container.wait() == 0


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"userns_mode": "private"}, "userns_mode"),
        ({"userns_mode": "keep-id"}, "userns_mode"),
        ({"userns_mode": "container:nobody"}, "userns_mode"),
        ({"userns_mode": "ns:/nowhere"}, "userns_mode"),
        ({"userns_mode": "host", "uidmap": MAP}, "userns_mode"),
        ({"uidmap": ["0:100000"]}, "uidmap"),
        ({"uidmap": ["0:100000:0"]}, "uidmap"),
        ({"uidmap": ["0:-1:5"]}, "uidmap"),
        ({"uidmap": ["0:4294967290:10"]}, "uidmap"),
        ({"uidmap": ["5:100000:10"]}, "uidmap"),
        ({"uidmap": ["0:100000:10", "5:200000:10"]}, "uidmap"),
        ({"uidmap": ["0:100000:10", "10:100005:10"]}, "uidmap"),
        ({"uidmap": [",".join(f"{n}:{n + 5}:1" for n in range(341))]}, "uidmap"),
        ({"uidmap": MAP, "gidmap": ["1:1:1"]}, "gidmap"),
        ({"uidmap": MAP, "subuidname": "ada"}, "uidmap"),
        ({"uidmap": MAP, "id_mappings": IDMappingOptions(uid_map=IDMap(size=5))}, "uidmap"),
        ({"id_mappings": IDMappingOptions(uid_map=IDMap(size=5), host_uid_mapping=True)}, "id_mappings"),
        ({"id_mappings": IDMappingOptions(uid_map=IDMap(host_id=5))}, "id_mappings"),
        ({"subuidname": "nobody-has-this-name"}, "subuidname"),
        ({"subgidname": "nobody-has-this-name"}, "subuidname"),
        ({"subuidname": "one", "subuidmap": "other"}, "subuidmap"),
    ],
)
def test_mappings_that_make_no_sense_are_refused_by_name(bench: Any, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field}"):
        bench.create("true", **fields)


def test_a_name_stands_for_its_ranges_of_subordinate_ids(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_mapping(bench)
    users, groups = tmp_path / "subuid", tmp_path / "subgid"
    users.write_text("bob:1:1\nada:100000:1000\n# a remark\nada:300000:5\nada:broken\n0:400000:70000\n")
    groups.write_text("ada:200000:65536\n")
    monkeypatch.setattr(mappings, "SUBORDINATE", {"uid": users, "gid": groups})
    for fields in ({"subuidname": "ada"}, {"subgidname": "ada"}, {"subuidmap": "ada", "subgidname": "ada"}):
        config = bench.create("true", **fields).summary().container.config
        assert [(each.inside, each.outside, each.size) for each in config.uid_map] == [(0, 100_000, 1000), (1000, 300_000, 5)]
        assert [(each.inside, each.outside, each.size) for each in config.gid_map] == [(0, 200_000, 65_536)]
    by_number = bench.create("true", subuidname="root", gidmap=["0:7:7"]).summary().container.config
    assert by_number.uid_map[0].outside == 400_000 and by_number.gid_map[0].outside == 7


@real_host
@pytest.mark.parametrize(
    ("fields", "uids", "gids"),
    [
        ({"subuidname": "ada"}, "0 100000 1000", "0 200000 2000"),
        ({"subuidmap": "ada"}, "0 100000 1000", "0 200000 2000"),
        ({"subgidname": "ada"}, "0 100000 1000", "0 200000 2000"),
        ({"subgidmap": "ada", "uidmap": ["0:5:9"]}, "0 5 9", "0 200000 2000"),
        ({"id_mappings": IDMappingOptions(uid_map=IDMap(host_id=5, size=11))}, "0 5 11", "0 5 11"),
        (
            {"id_mappings": IDMappingOptions(uid_map=IDMap(host_id=5, size=11), gid_map=IDMap(host_id=7, size=19))},
            "0 5 11",
            "0 7 19",
        ),
    ],
)
def test_the_kernel_maps_by_whichever_field_says_it(
    real: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], uids: str, gids: str
) -> None:
    """id_mappings, subuidmap and subgidmap as much as the others."""
    (tmp_path / "subuid").write_text("ada:100000:1000\n")
    (tmp_path / "subgid").write_text("ada:200000:2000\n")
    monkeypatch.setattr(mappings, "SUBORDINATE", {kind: tmp_path / f"sub{kind}" for kind in ("uid", "gid")})
    container = real.run(*LOOP, **fields)
    pid = container.summary().container.pid
    assert (mapping("uid", pid), mapping("gid", pid)) == (uids.split(), gids.split())


def test_a_mode_of_another_container_brings_its_mapping(bench: Any) -> None:
    require_mapping(bench)
    bench.create("true", name="mapped", uidmap=MAP)
    bench.create("true", name="plain")
    joined = bench.create("true", userns_mode="container:mapped").summary().container.config
    assert joined.uid_map == bench.engine.containers.get("mapped").summary().container.config.uid_map
    assert bench.create("true", userns_mode="container:plain").inspect()["HostConfig"]["UsernsMode"] == "host"
