"""The contract of `engine/runtime/base.py`, for every runtime: each clause is a function that a test gives a `Stage`.

    @pytest.mark.parametrize("clause", CONTRACT)
    def test_the_contract(stage: Stage, clause: Clause) -> None:
        clause(stage)

A clause's name says what is promised, its assertions are the proof. What it needs is a root file system with a POSIX shell
and `sleep`: no image, no storage, no state.
"""

import re
import signal
import threading
import time
from collections.abc import Callable

from podlink.engine.errors import InvalidState, RuntimeFailed
from podlink.engine.runtime.base import Accounts
from podlink.engine.runtime.exits import Exit
from podlink.engine.testing.stage import FOREVER, PATIENCE, POLITE, Stage

Clause = Callable[[Stage], None]


def _refuses(act: Callable[[], object], reason: str) -> None:
    try:
        act()
    except RuntimeFailed as refusal:
        assert re.search(reason, refusal.reason), refusal.reason
        return
    raise AssertionError(f"not refused: {reason}")


def the_exit_code_is_told(stage: Stage) -> None:
    for code in (0, 3, 255):
        process = stage.script(f"exits-{code}", f"exit {code}")
        found = stage.end(f"exits-{code}")
        assert (found.code, found.number, found.error, found.oom_killed) == (code, 1, "", False)
        assert abs(found.at / 1e9 - time.time()) < PATIENCE
        assert not stage.runtime.alive(process) and stage.runtime.running(f"exits-{code}") is None


def an_end_by_a_signal_is_128_and_its_number(stage: Stage) -> None:
    process = stage.ready("killed", f"echo ready; {FOREVER}")
    assert stage.kill("killed", process).code == 128 + signal.SIGKILL


def a_trapped_signal_is_the_containers_affair(stage: Stage) -> None:
    process = stage.ready("polite", POLITE)
    assert stage.kill("polite", process, signal.SIGTERM).code == 7


def init_does_not_notice_a_signal_without_a_handler(stage: Stage) -> None:
    process = stage.ready("deaf", f"echo ready; {FOREVER}")
    stage.runtime.signal("deaf", process, signal.SIGTERM)
    time.sleep(0.2)
    assert stage.runtime.alive(process)
    assert stage.kill("deaf", process).code == 137


def nobody_is_signalled_after_the_end(stage: Stage) -> None:
    process = stage.script("short", "true")
    stage.end("short")
    try:
        stage.runtime.signal("short", process, signal.SIGTERM)
    except ProcessLookupError:
        return
    raise AssertionError("a process that has ended took a signal")


REFUSED = {
    "bozo": 'exec: "bozo": executable file not found in $PATH',
    "/bin/bozo": 'exec: "/bin/bozo": stat /bin/bozo: no such file or directory',
    "/bin/noexec": 'exec: "/bin/noexec": permission denied',
}


def a_refused_start_leaves_nothing(stage: Stage) -> None:
    for name, reason in REFUSED.items():
        _refuses(lambda name=name: stage.runtime.run(stage.launch("refused", name)), re.escape(reason))  # type: ignore[misc]
        assert stage.runtime.known() == [] and stage.runtime.running("refused") is None and stage.runtime.settled("refused")
        assert list(stage.directory("refused").iterdir()) == []


def output_of_both_streams_is_in_the_log(stage: Stage) -> None:
    stage.script("loud", "echo one; echo two >&2; printf three")
    stage.end("loud")
    assert sorted(stage.output("loud").split()) == ["one", "three", "two"]


def what_is_created_waits_for_its_start(stage: Stage) -> None:
    launch = stage.launch("waiting", "/bin/sh", "-c", "cat; exit 5", interactive=True)
    init = stage.runtime.create(launch)
    assert stage.runtime.waits("waiting") and stage.runtime.alive(init) and stage.runtime.running("waiting") == (1, init)
    with stage.runtime.attach("waiting") as attachment:
        attachment.send(b"early\n")
        stage.runtime.start("waiting")
        assert not stage.runtime.waits("waiting") and attachment.receive(PATIENCE) == ("stdout", b"early\n")
        attachment.end()
        assert attachment.receive(PATIENCE) is None
    assert stage.end("waiting").code == 5 and stage.output("waiting") == "early\n"


def what_is_created_can_be_killed_and_destroyed(stage: Stage) -> None:
    init = stage.runtime.create(stage.launch("waiting", "/bin/sh", "-c", "echo never"))
    assert stage.kill("waiting", init).code == 137
    stage.runtime.delete("waiting")
    stage.runtime.create(stage.launch("waiting", "/bin/sh", "-c", "echo never"))
    stage.runtime.destroy("waiting")
    assert stage.runtime.known() == [] and stage.output("waiting") == "" and not stage.runtime.waits("waiting")
    _refuses(lambda: stage.runtime.create(stage.launch("waiting", "bozo")), re.escape(REFUSED["bozo"]))
    assert stage.runtime.known() == []


def a_terminal_is_one_stream(stage: Stage) -> None:
    stage.runtime.create(
        stage.launch("terminal", "/bin/sh", "-c", "echo out; echo err >&2; read x; echo [$x]", tty=True, interactive=True)
    )
    with stage.runtime.attach("terminal") as attachment:
        stage.runtime.start("terminal")
        attachment.send(b"typed\n")
        pieces = list(iter(lambda: attachment.receive(PATIENCE), None))
    assert {stream for stream, _ in pieces} == {"stdout"}
    assert sorted(b"".join(data for _, data in pieces).split(b"\r\n")) == [b"", b"[typed]", b"err", b"out", b"typed"]
    assert stage.end("terminal").code == 0


def _last_output(stage: Stage, container: str) -> str:
    """Once nothing more comes, in a time of many ticks: a monitor may have lines yet to write that were in the pipe."""
    deadline, before = time.monotonic() + PATIENCE, ""
    while (found := stage.output(container)) != before:
        assert time.monotonic() < deadline, f"it goes on: {found[-100:]!r}"
        before = found
        time.sleep(0.3)
    return found


def what_is_paused_does_nothing_until_it_is_resumed(stage: Stage) -> None:
    process = stage.ready("frozen", "echo ready; while :; do echo tick; sleep 0.02; done")
    stage.runtime.pause("frozen")
    before = _last_output(stage, "frozen")
    assert stage.runtime.alive(process)
    stage.runtime.resume("frozen")
    with stage.runtime.watch(stage.directory("frozen")) as wakeup:
        while stage.output("frozen") == before:
            assert wakeup.wait(PATIENCE)
    stage.runtime.destroy("frozen")


def a_paused_container_can_be_killed(stage: Stage) -> None:
    process = stage.ready("frozen", POLITE)
    stage.runtime.pause("frozen")
    assert stage.kill("frozen", process).code == 137


def a_paused_container_has_its_signal_once_it_is_resumed(stage: Stage) -> None:
    process = stage.ready("frozen", POLITE)
    stage.runtime.pause("frozen")
    stage.runtime.signal("frozen", process, signal.SIGTERM)
    time.sleep(0.2)
    assert stage.runtime.alive(process)
    stage.runtime.resume("frozen")
    assert stage.end("frozen").code == 7


def who_finds_it_settled_finds_the_record(stage: Stage) -> None:
    for number in range(5):
        process = stage.script("brief", f"exit {number}")
        deadline = time.monotonic() + PATIENCE
        while not stage.runtime.settled("brief"):
            assert time.monotonic() < deadline
            time.sleep(0)
        found = stage.runtime.exit_of(stage.directory("brief"))
        assert found is not None and (found.number, found.code) == (number + 1, number)
        assert not stage.runtime.alive(process)


def who_watches_is_woken_by_output_end_and_removal(stage: Stage) -> None:
    stage.directory("watched").mkdir()
    with stage.runtime.watch(stage.directory("watched")) as wakeup:
        process = stage.ready("watched", POLITE)
        assert wakeup.wait(PATIENCE)
        while wakeup.wait(0.2):
            pass
        stage.runtime.signal("watched", process, signal.SIGTERM)
        while stage.runtime.exit_of(stage.directory("watched")) is None:
            assert wakeup.wait(PATIENCE)
        while wakeup.wait(0.2):
            pass
        stage.runtime.delete("watched")
        for path in stage.directory("watched").iterdir():
            path.unlink()
        stage.directory("watched").rmdir()
        stage.runtime.forget("watched", stage.directory("watched"))
        assert wakeup.wait(PATIENCE)
    stage.runtime.forget("watched", stage.directory("watched"))


def a_directory_that_is_not_there_is_not_watched(stage: Stage) -> None:
    try:
        with stage.runtime.watch(stage.folder / "nowhere"):
            raise AssertionError("it was watched")
    except FileNotFoundError:
        pass


def one_start_follows_another(stage: Stage) -> None:
    first = stage.script("again", "echo one; exit 1")
    assert stage.end("again").number == 1
    second = stage.script("again", "echo two; exit 2")
    found = stage.end("again")
    assert (found.number, found.code) == (2, 2) and first != second
    assert stage.output("again") == "one\ntwo\n"
    stage.runtime.delete("again")
    third = stage.ready("again", POLITE)
    assert stage.runtime.running("again") == (3, third)
    assert stage.kill("again", third, signal.SIGTERM).number == 3


def what_runs_is_not_deleted(stage: Stage) -> None:
    process = stage.ready("held", POLITE)
    _refuses(lambda: stage.runtime.delete("held"), "held")
    assert stage.runtime.alive(process) and stage.runtime.known() == ["held"]
    stage.kill("held", process)
    for _ in range(2):
        stage.runtime.delete("held")
    assert stage.runtime.known() == []


def destroy_undoes_a_run_in_every_state(stage: Stage) -> None:
    def paused() -> None:
        stage.ready("doomed", POLITE)
        stage.runtime.pause("doomed")

    def ended() -> None:
        stage.script("doomed", "true")
        stage.end("doomed")

    states: tuple[Callable[[], object], ...] = (
        lambda: None,
        lambda: stage.script("doomed", POLITE),
        lambda: stage.ready("doomed", POLITE),
        paused,
        ended,
    )
    for reach in states:
        reach()
        for _ in range(2):
            stage.runtime.destroy("doomed")
            assert stage.runtime.known() == [] and stage.runtime.running("doomed") is None and stage.runtime.settled("doomed")


def what_does_not_run_is_not_paused_and_need_not_be_resumed(stage: Stage) -> None:
    try:
        stage.runtime.pause("nobody")
    except InvalidState as refusal:
        assert "nobody" in str(refusal)
    else:
        raise AssertionError("a container that does not run was paused")
    stage.runtime.resume("nobody")
    assert stage.runtime.known() == []


def each_run_has_namespaces_of_its_own_unless_it_joins(stage: Stage) -> None:
    one, two = stage.ready("one", POLITE), stage.ready("two", POLITE)
    guest = stage.runtime.run(stage.launch("guest", "/bin/sh", "-c", POLITE, pid=f"/proc/{one.pid}/ns/pid"))
    mine, other, joined = (stage.runtime.namespaces(each) for each in (one, two, guest))
    assert set(mine) == {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"}
    assert all(text.isdecimal() for text in mine.values())
    assert all(mine[kind] != other[kind] for kind in ("ipc", "mnt", "net", "pid", "uts")) and mine["user"] == other["user"]
    assert joined["pid"] == mine["pid"] and joined["mnt"] != mine["mnt"]
    stage.kill("guest", guest)
    assert set(stage.runtime.namespaces(guest).values()) == {""}
    for name in ("one", "two"):
        stage.runtime.destroy(name)


def the_processes_are_told(stage: Stage) -> None:
    process = stage.ready("family", "sleep 100 & echo ready; wait")
    with_child = stage.runtime.processes("family")
    deadline = time.monotonic() + PATIENCE
    while "sleep 100" not in [each.command for each in with_child]:
        assert time.monotonic() < deadline, with_child
        with_child = stage.runtime.processes("family")
    init, child = with_child
    assert (init.pid, child.ppid, init.uid, child.uid) == (process.pid, process.pid, 0, 0)
    assert abs(init.started - time.time()) < PATIENCE and init.cpu_time >= 0
    header, *rows = stage.runtime.ps("family", ["-o", "pid,user,args"], Accounts(users=(("chief", 0, 0),)))
    assert header.split() == ["PID", "USER", "COMMAND"]
    assert [row.split()[:2] for row in rows] == [[str(init.pid), "chief"], [str(child.pid), "chief"]]
    assert rows[1].split()[2:] == ["sleep", "100"]
    stage.runtime.destroy("family")


def figures_grow(stage: Stage) -> None:
    process = stage.ready("busy", "echo ready; while :; do :; done")
    before = stage.runtime.sample("busy", process)
    deadline = time.monotonic() + PATIENCE
    while (after := stage.runtime.sample("busy", process)).cpu_nano <= before.cpu_nano:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert after.at > before.at and after.cpu_nano >= after.system_nano >= before.system_nano >= 0
    assert after.pids == 1 and 0 < after.mem_usage <= after.mem_limit
    since = stage.runtime.spent("busy")
    last = stage.runtime.sample("busy", process)
    assert after.at < since.at < last.at and after.cpu_nano <= since.cpu_nano <= last.cpu_nano
    stage.runtime.destroy("busy")


def whoever_listens_is_asked_once_the_record_is_there(stage: Stage) -> None:
    asked: list[tuple[str, Exit | None, bool]] = []
    told = threading.Event()

    def cleanup(container: str) -> None:
        asked.append((container, stage.runtime.exit_of(stage.directory(container)), stage.runtime.settled(container)))
        stage.runtime.delete(container)
        told.set()

    stage.runtime.listen(cleanup)
    stage.script("heard", "exit 4")
    assert told.wait(PATIENCE)
    ((container, found, settled),) = asked
    assert container == "heard" and found is not None and found.code == 4 and settled
    assert stage.runtime.known() == []


def many_run_side_by_side(stage: Stage) -> None:
    threads = [
        threading.Thread(target=stage.script, args=(f"side-{number}", f"echo {number}; exit {number}")) for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    for number in range(6):
        assert stage.end(f"side-{number}").code == number and stage.output(f"side-{number}") == f"{number}\n"
    assert stage.runtime.known() == [f"side-{number}" for number in range(6)]


CONTRACT: tuple[Clause, ...] = (
    the_exit_code_is_told,
    an_end_by_a_signal_is_128_and_its_number,
    a_trapped_signal_is_the_containers_affair,
    init_does_not_notice_a_signal_without_a_handler,
    nobody_is_signalled_after_the_end,
    a_refused_start_leaves_nothing,
    output_of_both_streams_is_in_the_log,
    what_is_created_waits_for_its_start,
    what_is_created_can_be_killed_and_destroyed,
    a_terminal_is_one_stream,
    what_is_paused_does_nothing_until_it_is_resumed,
    a_paused_container_can_be_killed,
    a_paused_container_has_its_signal_once_it_is_resumed,
    who_finds_it_settled_finds_the_record,
    who_watches_is_woken_by_output_end_and_removal,
    a_directory_that_is_not_there_is_not_watched,
    one_start_follows_another,
    what_runs_is_not_deleted,
    destroy_undoes_a_run_in_every_state,
    what_does_not_run_is_not_paused_and_need_not_be_resumed,
    each_run_has_namespaces_of_its_own_unless_it_joins,
    the_processes_are_told,
    figures_grow,
    whoever_listens_is_asked_once_the_record_is_there,
    many_run_side_by_side,
)
