"""The life of a container, verb by verb, on the emulator and on runc."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from patience import patience, until

from podlink.engine.errors import (
    AmbiguousName,
    ContainerNotFound,
    ErrorOccurred,
    ImageNotFound,
    InvalidRequest,
    InvalidState,
    NameInUse,
    NotHonoured,
)
from podlink.engine.state.values import Status

LOOP = ("/bin/sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 1 & wait; done")
STUBBORN = ("/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1 & wait; done")
LONG = 300
"""Seconds that nothing takes but a stop that waits for so long."""


def status(container: Any) -> Status:
    return container.summary().container.status


def await_output(container: Any, text: str) -> None:
    until(lambda: text in "".join(container.logs()), container.logs)


def looping(bench: Any, command: tuple[str, ...] = LOOP, **fields: Any) -> Any:
    container = bench.run(*command, **fields)
    await_output(container, "ready")
    return container


def test_a_container_is_created_runs_and_is_removed(bench: Any) -> None:
    container = bench.create("echo", "hello")
    assert status(container) is Status.CONFIGURED and container.logs() == []
    container.start()
    assert container.wait() == 0
    assert container.logs() == ["hello\n"]
    assert status(container) is Status.EXITED
    container.remove()
    with pytest.raises(ContainerNotFound):
        container.start()
    assert bench.engine.containers.list() == []


CODES = [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("sh -c 'kill -9 $$'; exit $?", 137), ("kill -9 $$; exit 5", 5)]
"""The last one: nothing in a container can kill its init, which is also the first process of its PID namespace."""


@pytest.mark.parametrize(("script", "code"), CODES)
def test_the_exit_status_is_told(bench: Any, script: str, code: int) -> None:
    assert bench.run("/bin/sh", "-c", script).wait() == code


def test_output_keeps_its_order_and_a_last_line_without_newline(bench: Any) -> None:
    assert bench.output("/bin/sh", "-c", "echo one; echo two >&2; printf three").startswith("one\n")
    container = bench.run("/bin/sh", "-c", "printf 'a\\n\\nb'")
    container.wait()
    assert container.logs() == ["a\n", "\n", "b"]


def test_what_the_request_says_is_seen_inside(bench: Any) -> None:
    env = bench.output("env", env={"ASKED": "with = and spaces"}, hostname="inside")
    assert "ASKED=with = and spaces\n" in env and "FROM_IMAGE=yes\n" in env and "HOSTNAME=inside\n" in env
    assert bench.output("hostname", hostname="inside") == "inside\n"
    assert bench.output("pwd", work_dir="/made/when/missing") == "/made/when/missing\n"
    assert bench.output("id", "-u", user="ada") == "1000\n"
    assert bench.output("id", "-g", user="1000:12") == "12\n"
    assert (
        "denied" in (text := bench.output("/bin/sh", "-c", "echo x > /f || echo denied", readonly_rootfs=True))
        or "Read-only" in text
    )


def test_a_container_can_be_named_by_id_prefix_and_name(bench: Any) -> None:
    container = bench.create(name="web")
    for name in ("web", container.id, container.id[:10], container.id[:3]):
        assert bench.engine.containers.get(name).id == container.id
    for name in ("", "we", "nope", "g" + container.id[1:], container.id + "0"):
        with pytest.raises(ContainerNotFound) as refusal:
            bench.engine.containers.get(name)
        assert refusal.value.name == name


def test_an_ambiguous_prefix_names_the_matches(bench: Any) -> None:
    created = [bench.create() for _ in range(17)]  # at least two of 17 share their first digit
    firsts = [container.id[0] for container in created]
    shared = next(digit for digit in firsts if firsts.count(digit) > 1)
    with pytest.raises(AmbiguousName) as refusal:
        bench.engine.containers.get(shared)
    for container in created:
        assert (container.id[:12] in str(refusal.value)) == (container.id[0] == shared)


def test_a_taken_name_is_refused_and_leaves_nothing(bench: Any) -> None:
    holder = bench.create(name="web")
    with pytest.raises(NameInUse, match=holder.id[:12]):
        bench.create(name="web")
    assert len(bench.engine.containers.list()) == 1
    assert bench.engine.host.storage.known()[1] == [holder.id]
    assert [path.name for path in (bench.engine.host.config.root / "containers").iterdir()] == [holder.id]


@pytest.mark.parametrize(
    ("fields", "error", "word"),
    [
        ({"image": "nope"}, ImageNotFound, "nope"),
        ({"image": ""}, ImageNotFound, "^$"),
        ({"cap_add": ["CAP_NOPE"]}, ErrorOccurred, "cap_add"),
        ({"volumes": ["/a:/b"]}, ErrorOccurred, "volumes"),
        ({"pod": "p"}, ErrorOccurred, "pod"),
        ({"work_dir": "here"}, InvalidRequest, "work_dir"),
    ],
)
def test_a_refused_create_leaves_nothing(bench: Any, fields: dict[str, Any], error: type[Exception], word: str) -> None:
    with pytest.raises(error, match=word):
        bench.engine.containers.create(**{"image": "small", "command": ["true"], **fields})
    assert bench.engine.containers.list() == [] and bench.engine.host.storage.known()[1] == []


def test_image_id_must_agree_with_image(bench: Any, busybox_tar: Any) -> None:
    image = bench.engine.images.list()[0].id
    assert bench.create("true", image_id=image).summary().container.image == image
    with pytest.raises(InvalidRequest, match="image_id"):
        bench.create("true", image_id="0" * 64)
    other = bench.engine.images.import_image(str(busybox_tar), "other", changes=["CMD=/bin/ls"])
    with pytest.raises(InvalidRequest, match="image_id"):
        bench.create("true", image_id=other)


MISSING = [
    (("nope",), "executable file not found"),
    (("/bin/nope",), "no such file or directory"),
    (("/bin/noexec",), "permission denied"),
    (("/etc",), "permission denied|is a directory"),
]


@pytest.mark.parametrize(("command", "reason"), MISSING)
def test_a_command_that_is_not_there_fails_the_start_and_changes_nothing(
    bench: Any, command: tuple[str, ...], reason: str
) -> None:
    container = bench.create(*command)
    for _ in range(2):
        with pytest.raises(ErrorOccurred, match=reason):
            container.start()
        assert status(container) is Status.CONFIGURED and container.logs() == []
        assert bench.engine.host.runtime.known() == []
    container.remove()


def test_what_the_runtime_cant_know_before_exec_exits_at_once(bench: Any) -> None:
    container = bench.run("/bin/garbage")
    assert container.wait() != 0
    assert "exec" in "".join(container.logs())


def test_an_unknown_user_fails_the_start_and_changes_nothing(bench: Any) -> None:
    container = bench.create("true", user="nobody-here")
    with pytest.raises(InvalidRequest, match="nobody-here"):
        container.start()
    assert status(container) is Status.CONFIGURED


def test_stop_sends_the_stop_signal_then_kills(bench: Any) -> None:
    polite = looping(bench)
    polite.stop(LONG)
    assert polite.wait() == 7
    polite.stop()
    stubborn = looping(bench, STUBBORN)
    began = time.monotonic()
    stubborn.stop(1)
    assert time.monotonic() - began > 0.9 and stubborn.wait() == 137
    at_once = looping(bench, STUBBORN, stop_timeout=LONG)
    began = time.monotonic()
    at_once.stop(0)
    assert time.monotonic() - began < LONG and at_once.wait() == 137


def test_the_stop_timeout_of_the_request_counts_where_stop_gives_none(bench: Any) -> None:
    container = looping(bench, STUBBORN, stop_timeout=1)
    began = time.monotonic()
    container.stop()
    assert time.monotonic() - began > 0.9 and container.wait() == 137


def test_the_stop_signal_of_the_request_is_sent(bench: Any) -> None:
    container = looping(
        bench, ("/bin/sh", "-c", "trap 'exit 9' USR1; echo ready; while :; do sleep 1 & wait; done"), stop_signal=10
    )
    container.stop(LONG)
    assert container.wait() == 9


def test_an_exited_container_starts_again_and_its_log_goes_on(bench: Any) -> None:
    container = bench.run("/bin/sh", "-c", "echo run; echo kept >> /file; cat /file")
    assert container.wait() == 0
    container.start()
    assert container.wait() == 0
    assert container.logs() == ["run\n", "kept\n", "run\n", "kept\n", "kept\n"]


def test_restart_of_what_runs_and_of_what_does_not(bench: Any) -> None:
    container = bench.create(*LOOP)
    container.restart()
    await_output(container, "ready")
    before = container.summary().container
    container.restart(LONG)
    after = container.summary().container
    assert (before.start, after.start) == (1, 2) and after.status is Status.RUNNING and after.pid != before.pid
    container.stop(LONG)
    container.restart()
    assert status(container) is Status.RUNNING


def test_kill_signals_and_refuses_what_is_no_signal(bench: Any) -> None:
    container = looping(bench)
    for number in (0, 65, -2):
        with pytest.raises(ErrorOccurred, match="signal"):
            container.kill(number)
    container.kill()
    assert container.wait() == 7
    again = looping(bench, STUBBORN)
    again.kill(9)
    assert again.wait() == 137


BEATING = "trap 'exit 0' TERM; while :; do echo >> /heart/beats; sleep 0.05; done"


def beating(bench: Any, folder: Path) -> tuple[Any, Callable[[], int]]:
    """One that writes to a file without end, and how much it has: by no log, which may lag behind."""
    folder.mkdir()
    container, beats = bench.run("/bin/sh", "-c", BEATING, volumes=[f"{folder}:/heart"]), folder / "beats"
    until(beats.exists)
    return container, lambda: beats.stat().st_size


def test_pause_freezes_and_unpause_goes_on(bench: Any, tmp_path: Path) -> None:
    (container, beats), (_, beats_beside) = beating(bench, tmp_path / "one"), beating(bench, tmp_path / "two")
    container.pause()
    assert status(container) is Status.PAUSED
    before, before_beside = beats(), beats_beside()
    until(lambda: beats_beside() > before_beside + 5)
    assert beats() == before, "while one that is not paused goes on"
    container.unpause()
    assert status(container) is Status.RUNNING
    until(lambda: beats() > before)
    container.pause()
    container.stop(LONG)
    assert status(container) is Status.EXITED


VERBS = {
    "start": lambda c: c.start(),
    "stop": lambda c: c.stop(0),
    "restart": lambda c: c.restart(0),
    "kill": lambda c: c.kill(9),
    "pause": lambda c: c.pause(),
    "unpause": lambda c: c.unpause(),
    "remove": lambda c: c.remove(),
    "processes": lambda c: c.processes(),
}
STATES = {
    "configured": lambda c: None,
    "running": lambda c: c.start(),
    "paused": lambda c: (c.start(), c.pause()),
    "exited": lambda c: (c.start(), c.stop(0)),
}
REFUSED = {
    "start": {"running", "paused"},
    "stop": {"configured"},
    "restart": set(),
    "kill": {"configured", "exited"},
    "pause": {"configured", "paused", "exited"},
    "unpause": {"configured", "running", "exited"},
    "remove": {"running", "paused"},
    "processes": {"configured", "exited"},
}


@pytest.mark.parametrize("state", STATES)
def test_each_verb_is_legal_or_refused_in_each_state(bench: Any, state: str) -> None:
    for verb, act in VERBS.items():
        container = bench.create(*LOOP, name=f"in-{verb}")
        STATES[state](container)
        before = status(container)
        assert before == state
        if state in REFUSED[verb]:
            with pytest.raises(InvalidState, match=f"in-{verb}") as refusal:
                act(container)
            assert state in str(refusal.value)
            assert status(container) is before
        else:
            act(container)
        if verb != "remove" or state in REFUSED[verb]:
            container.remove(force=True)


def test_remove_by_force_stops_first(bench: Any) -> None:
    container = looping(bench)
    with pytest.raises(InvalidState):
        container.remove()
    container.remove(force=True)
    assert bench.engine.containers.list() == []


def test_a_container_that_is_to_be_removed_goes_at_its_exit(bench: Any) -> None:
    container = bench.create("/bin/sh", "-c", "exit 4", rm=True)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(container.wait)
        container.start()
        assert waiting.result(timeout=patience()) == 4
    until(lambda: not bench.engine.containers.list() and not bench.engine.host.directory(container.id).exists())


def test_the_lock_of_a_container_goes_with_it(bench: Any) -> None:
    locks = bench.engine.host.state.locks
    done, _, forced = bench.run("true"), bench.run("true", rm=True), looping(bench)
    kept = bench.create()
    done.wait()
    done.remove()
    forced.remove(force=True)
    with pytest.raises(NameInUse):
        bench.create(name=kept.summary().container.name)
    with pytest.raises(ContainerNotFound):
        done.start()
    # That of a monitor's last word, too, which may come late.
    until(lambda: {key for key in locks.known() if len(key) == 64} <= {kept.id}, locks.known)


def test_delete_stopped_leaves_what_runs(bench: Any) -> None:
    running, paused = looping(bench), looping(bench)
    paused.pause()
    idle, done = bench.create(), bench.run("true")
    done.wait()
    assert sorted(bench.engine.containers.delete_stopped()) == sorted([idle.id, done.id])
    assert {each.container.id for each in bench.engine.containers.list()} == {running.id, paused.id}
    assert bench.engine.containers.delete_stopped() == []


def test_following_the_log_ends_with_the_container(bench: Any) -> None:
    container = bench.create("/bin/sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done")
    assert list(container.follow()) == []
    container.start()
    assert [line for batch in container.follow() for line in batch] == ["1\n", "2\n", "3\n"]
    container.wait()
    assert [line for batch in container.follow() for line in batch] == ["1\n", "2\n", "3\n"]


def test_processes_are_listed_with_a_header(bench: Any) -> None:
    container = looping(bench)
    header, *rows = container.processes()
    assert header.split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert any(row.split()[1] == str(container.summary().container.pid) and "trap" in row for row in rows)
    header, *rows = container.processes(["-o", "pid,comm"])
    assert header.split() == ["PID", "COMMAND"] and rows


def test_figures_are_zero_at_rest_and_not_while_it_runs(bench: Any) -> None:
    container = bench.create(*LOOP)
    rest = container.stats()
    assert (rest.id, rest.cpu, rest.sample.pids, rest.sample.mem_usage) == (container.id, 0, 0, 0)
    container.start()
    await_output(container, "ready")
    figures = container.stats()
    assert figures.sample.pids >= 1 and figures.sample.mem_usage > 0 and figures.sample.cpu_nano > 0
    assert 0 < figures.sample.mem_usage <= figures.sample.mem_limit and 0 < figures.memory <= 100
    assert container.stats().cpu >= 0


def test_inspect_has_every_key_of_the_original(bench: Any) -> None:
    import json

    wanted = json.loads((Path(__file__).parent.parent.parent / "fixtures" / "inspect-container.json").read_text())
    container = bench.create(*LOOP, name="web", labels={"a": "b"})

    def compare(wanted: Any, got: Any, path: str) -> None:
        if isinstance(wanted, dict) and "*" not in wanted:
            assert sorted(wanted) == sorted(got), path
            for key in wanted:
                compare(wanted[key], got[key], f"{path}.{key}")

    for act in (lambda: None, container.start, container.pause, lambda: container.stop(0)):
        act()
        seen = container.inspect()
        compare(wanted, seen, "")
        json.dumps(seen)
        assert seen["Name"] == "web" and seen["State"]["Status"] == status(container)
        assert (seen["State"]["Pid"] > 0) == (seen["State"]["Running"] or seen["State"]["Paused"])


def test_one_container_from_many_threads_stays_legal(bench: Any) -> None:
    container = bench.create(*LOOP)
    acts = [
        container.start,
        lambda: container.stop(0),
        lambda: container.kill(9),
        container.pause,
        container.unpause,
        lambda: container.restart(0),
    ]
    surprises: list[BaseException] = []

    def work(seed: int) -> None:
        for step in range(6):
            try:
                acts[(seed * 7 + step * 5) % len(acts)]()
            except InvalidState:
                pass
            except BaseException as error:
                surprises.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience())
    assert surprises == []
    container.remove(force=True)
    assert bench.engine.containers.list() == []


def test_no_log_is_kept_where_none_is_wanted(bench: Any) -> None:
    container = bench.run("echo", "unheard", log_driver="none")
    assert container.wait() == 0
    with pytest.raises(ErrorOccurred, match="keeps no log: its log_driver is none"):
        container.logs()
    assert not (bench.engine.host.directory(container.id) / "ctr.log").exists()
    assert container.inspect()["HostConfig"]["LogConfig"]["Type"] == "none"
    with pytest.raises(NotHonoured, match="log_driver: 'syslog' is none of k8s-file, json-file, journald, none"):
        bench.create("true", log_driver="syslog")
