"""What only the emulator promises: it ends with its engine, its programs and its clock can be others, nothing leads out of it."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podlink.engine.app import Engine
from podlink.engine.clock import REAL, Clock, VirtualClock
from podlink.engine.errors import EngineUnavailable, RuntimeFailed
from podlink.engine.linux import facts
from podlink.engine.oci.spec.values import HostFacts
from podlink.engine.runtime.base import Launch
from podlink.engine.runtime.emulator import signals
from podlink.engine.runtime.emulator.process import Process, Program
from podlink.engine.runtime.emulator.ready import sleeping_server
from podlink.engine.runtime.emulator.runtime import EmulatorRuntime
from podlink.engine.testing.stage import FOREVER, POLITE, Stage

Make = Callable[..., Stage]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes stages over a root file system of empty files, which is all that the emulator looks at."""
    rootfs = tmp_path / "rootfs"
    for folder in ("bin", "etc", "tmp"):
        (rootfs / folder).mkdir(parents=True)
    for name in ("sh", "sleep", "cat", "ls", "mine"):
        (rootfs / "bin" / name).touch(mode=0o755)
    made = []

    def stage(clock: Clock = REAL, more: dict[str, Program] | None = None) -> Stage:
        runtime = EmulatorRuntime(clock, more)
        made.append(runtime)
        return Stage(runtime, rootfs, tmp_path / "containers", HostFacts(capabilities=frozenset(facts.every_capability())))

    yield stage
    for runtime in made:
        runtime.close()


def with_spec(launch: Launch, **changes: Any) -> Launch:
    return replace(launch, spec={**launch.spec, **changes})


def test_close_ends_every_run_and_leaves_no_thread_and_no_file(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = set(threading.enumerate())
    stage = make()
    stage.ready("one", POLITE)
    stage.ready("two", f"sleep 100 | cat & echo ready; {FOREVER}")
    stage.runtime.pause("two")
    assert list(scratch.iterdir()) != []
    stage.runtime.close()
    assert set(threading.enumerate()) <= before and list(scratch.iterdir()) == []
    for name in ("one", "two"):
        assert stage.end(name).code == 137
    with pytest.raises(EngineUnavailable, match="closed"):
        stage.script("three", "true")
    stage.runtime.close()


def test_an_engine_that_closes_leaves_no_thread(busybox_tar: Path) -> None:
    before = set(threading.enumerate())
    with Engine.emulated() as engine:
        engine.images.import_image(str(busybox_tar), "small")
        engine.containers.create(image="small", command=["/bin/sh", "-c", POLITE]).start()
        engine.containers.create(image="small", command=["/bin/sh", "-c", POLITE], rm=True).start()
    assert set(threading.enumerate()) <= before


def test_a_process_of_another_emulator_is_not_one_of_ours(make: Make) -> None:
    one, other = make(), make()
    stranger = other.ready("there", POLITE)
    assert one.ready("here", POLITE).pid == stranger.pid
    assert not one.runtime.alive(stranger)
    with pytest.raises(ProcessLookupError):
        one.runtime.signal("here", stranger, 9)


def test_a_container_has_the_time_that_its_clock_tells(make: Make) -> None:
    clock = VirtualClock(1_000_000)
    stage = make(clock)
    process = stage.ready("slow", "date +%s; echo ready; sleep 3600; date +%s")
    assert stage.runtime.alive(process) and stage.output("slow") == "1000000\nready\n"
    clock.advance(3600)
    assert stage.end("slow").at == 1_003_600 * 10**9
    assert stage.output("slow").endswith("1003600\n")


def test_a_program_can_be_given(make: Make) -> None:
    def mine(process: Process) -> int:
        process.write(1, f"{process.argv[1]} in {process.env['PATH']}\n")
        return 300

    stage = make(more={"mine": mine})
    stage.runtime.run(stage.launch("given", "mine", "hello"))
    assert stage.end("given").code == 300 & 0xFF
    assert stage.output("given") == "hello in /bin:/usr/bin\n"


def test_a_program_that_breaks_down_ends_its_process_and_says_why(make: Make) -> None:
    def broken(process: Process) -> int:
        raise SystemExit("away")

    stage = make(more={"mine": broken})
    stage.script("broken", "mine; echo $?")
    assert stage.end("broken").code == 0
    assert stage.output("broken").endswith("SystemExit: away\n1\n")


@pytest.mark.parametrize(
    ("answer", "code", "words"), [(None, 0, ""), (True, 1, ""), ("3", 1, "an int, or None; this one answered '3'\n")]
)
def test_a_program_that_answers_no_number_ends_all_the_same(make: Make, answer: Any, code: int, words: str) -> None:
    stage = make(more={"mine": lambda process: answer})
    for name, argv in {
        "init": ("mine",),
        "child": ("sh", "-c", "(exit 9); mine; exit $?"),
        "became": ("sh", "-c", "exec mine"),
    }.items():
        stage.runtime.run(stage.launch(name, *argv))
        assert stage.end(name).code == code
        assert stage.output(name).endswith(words) and (words or not stage.output(name))


def test_a_script_names_its_interpreter(make: Make) -> None:
    stage = make()
    for name, text in {"script": "#!/bin/sh -e\necho $0 $1; false; echo off\n", "lost": "#!/bin/no\n", "noise": "\0\1"}.items():
        (stage.rootfs / "bin" / name).write_text(text)
        (stage.rootfs / "bin" / name).chmod(0o755)
    stage.runtime.run(stage.launch("script", "script", "a"))
    assert stage.end("script").code == 1 and stage.output("script") == "/bin/script a\n"
    for name, reason in (("lost", "no such file or directory"), ("noise", "exec format error")):
        stage.runtime.run(stage.launch(name, name))
        assert stage.end(name).code == 1 and stage.output(name) == f"exec {name}: {reason}\n"


def test_processes_are_limited(make: Make) -> None:
    stage = make()
    launch = stage.launch("crowd", "/bin/sh", "-c", "sleep 99 & sleep 99 & sleep 99 & echo never")
    limited = with_spec(launch, linux={**launch.spec["linux"], "resources": {"pids": {"limit": 3}}})
    stage.runtime.run(limited)
    assert stage.end("crowd").code == 2
    assert "can't fork: Resource temporarily unavailable" in stage.output("crowd")


def test_nothing_leads_out(make: Make, tmp_path: Path) -> None:
    stage = make()
    (tmp_path / "secret").write_text("outside\n")
    (stage.rootfs / "etc" / "up").symlink_to("../../../../../../.." + str(tmp_path / "secret"))
    (stage.rootfs / "etc" / "absolute").symlink_to(tmp_path / "secret")
    (stage.rootfs / "etc" / "loop").symlink_to("loop")
    stage.script("curious", "cat /etc/up /etc/absolute /../../secret ../secret; echo x > /etc/absolute; cat /etc/loop")
    stage.end("curious")
    assert "outside" not in stage.output("curious") and (tmp_path / "secret").read_text() == "outside\n"
    assert "Too many levels of symbolic links" in stage.output("curious")


def test_a_read_only_root_takes_nothing_but_what_is_mounted_does(make: Make, tmp_path: Path) -> None:
    stage = make()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("outside\n")
    writing = "echo new > /data/new; mkdir /data/d; echo x > /fixed/x; echo x > /root; echo m > /mem/m"
    launch = stage.launch("mounted", "/bin/sh", "-c", f"cat /data/file; {writing}; cat /mem/m; ls /mem")
    mounts = [
        {"destination": "/data", "type": "bind", "source": str(tmp_path / "data"), "options": ["rw", "rbind"]},
        {"destination": "/fixed", "type": "bind", "source": str(tmp_path / "data"), "options": ["ro", "rbind"]},
        {"destination": "/mem", "type": "tmpfs", "source": "tmpfs", "options": ["mode=700"]},
    ]
    stage.runtime.run(with_spec(launch, root={**launch.spec["root"], "readonly": True}, mounts=mounts))
    assert stage.end("mounted").code == 0
    refused = "/bin/sh: can't create /fixed/x: Read-only file system\n/bin/sh: can't create /root: Read-only file system\n"
    assert stage.output("mounted") == f"outside\n{refused}m\nm\n"
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["d", "file", "new"] and not any(
        (stage.rootfs / "mem").iterdir()
    )


def test_a_source_that_is_not_there_refuses_the_start(make: Make, tmp_path: Path) -> None:
    stage = make()
    mounts = [{"destination": "/data", "type": "bind", "source": str(tmp_path / "nowhere"), "options": ["rbind"]}]
    with pytest.raises(RuntimeFailed, match="nowhere: no such file or directory"):
        stage.runtime.run(with_spec(stage.launch("homeless", "/bin/sh"), mounts=mounts))
    assert stage.runtime.known() == [] and list(stage.directory("homeless").iterdir()) == []


def test_shared_memory_and_names_are_shared_with_whom_one_joins(make: Make) -> None:
    stage = make()
    stage.ready("holder", f"echo here > /dev/shm/word; {POLITE}")
    holder = stage.runtime.running("holder")
    assert holder
    launch = stage.launch("guest", "/bin/sh", "-c", "cat /dev/shm/word; hostname")
    place = stage.runtime.shared_memory("holder")
    mounts = [each for each in launch.spec["mounts"] if each["destination"] != "/dev/shm"]
    mounts.append({"destination": "/dev/shm", "type": "bind", "source": place, "options": ["rbind"]})
    linux = {**launch.spec["linux"], "namespaces": [{"type": "uts", "path": f"/proc/{holder[1].pid}/ns/uts"}]}
    stage.runtime.run(with_spec(launch, mounts=mounts, linux=linux, hostname=""))
    stage.end("guest")
    assert stage.output("guest") == "here\nholder\n"
    assert stage.runtime.shared_memory("nobody") == ""


@pytest.mark.parametrize("number", [signals.TERM, signals.INT])
def test_a_server_that_sleeps_ends_well_when_it_is_asked_to(number: int) -> None:
    with Engine.emulated() as engine:
        engine.programs["/usr/sbin/serverd"] = sleeping_server
        engine.images.build_from({}, name="small")
        container = engine.containers.create(image="small", command=["/usr/sbin/serverd"])
        container.start()
        container.kill(number)
        assert container.wait() == 0
