"""Random walks over the whole interface, on the emulator and on runc side by side: whatever is called, both answer alike.

Hypothesis chooses the calls, and where the two differ it looks for the shortest walk that shows it. The scenarios say what is
right; a walk only has to say that the two agree, so it comes to combinations that nobody would write down. `WALKS=200 pytest …`
walks further than CI does, each time elsewhere.
"""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from patience import until
from scenario_file import Call
from scenario_player import PODMAN, Play, Stage
from scenario_stages import emulated_stage, runc_stage

LOOP = ["sh", "-c", "trap 'echo caught; exit 7' TERM; trap 'echo one' USR1; echo ready; while :; do sleep 0.02; done"]
DEAF = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.02; done"]
LASTING = {"loop": LOOP, "deaf": DEAF}
"""Programs that run until a signal comes. Their first line says that they are set."""
SHORT = {
    "true": ["true"],
    "three": ["sh", "-c", "echo bye; exit 3"],
    "writer": ["sh", "-c", "mkdir /made; echo more >> /etc/hostname.own; rm /etc/group; echo done"],
    "suicide": ["sh", "-c", "kill -9 $$; kill -TERM $$; echo alive"],
    "unknown": ["nonsense"],
    "reader": ["cat"],
    "limited": ["sh", "-c", "id -u; pwd; echo $WALK; hostname"],
}
"""Programs that come to their end by themselves."""
LISTENER = "listener"
"""What a reader is whose input has no end."""
NAMES = ("one", "two", "three")
ENDING = {-1, 9, 15}
LIVE = ("created", "running", "paused")
WANDERINGS = int(os.environ.get("WALKS", "0"))

names = st.sampled_from(NAMES)
known_or_not = st.one_of(names, st.sampled_from(["nobody", "", "ID(one)", "ID12(two)"]))


class Walk(RuleBasedStateMachine):
    """Two plays under way. What is remembered of them is only what keeps a walk from waiting for what can't come."""

    def __init__(self, stages: tuple[Stage, ...]) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.plays: list[Play] = []
        for stage in stages:
            stage._tidy()
            folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
            self.plays.append(Play(stage, folder, self.stack))
        self.programs: dict[str, str] = {}
        self.starts: dict[str, int] = {}
        """How often a lasting program was begun: as often it says that it is set."""

    def teardown(self) -> None:
        self.stack.close()

    # What both are asked

    def both(self, method: str, *fields: str, more: bool = False, **parameters: Any) -> str:
        """The answer of both."""
        if any(f"({name})" in str(parameters) and name not in self.plays[0].ids.values() for name in NAMES):
            return ""  # the ID of one that has never been
        call = Call(method, parameters, more=more, fields=fields)
        answers = [play.call(play.client, call) for play in self.plays]
        assert len(set(answers)) == 1, (method, parameters, *answers)
        return answers[0]

    def status(self, name: str) -> str:
        """`running`, say; empty for one that is not there."""
        answer = self.both("GetContainer", "container.status", name=name)
        return answer.split('"')[3] if answer.startswith("<") else ""

    def settle(self, name: str) -> None:
        """Let what was started come to its first rest, on both."""
        if self.programs[name] in SHORT:
            self.both("WaitContainer", name=name)
        elif self.programs[name] != LISTENER:
            self.starts[name] += 1
            for play in self.plays:
                self.await_ready(play, name)

    def await_ready(self, play: Play, name: str) -> None:
        until(lambda: self.readies(play, name) >= self.starts[name], f"{name} was started and says nothing", pause=0.005)

    def readies(self, play: Play, name: str) -> int:
        lines = play.client.call(f"{PODMAN}.GetContainerLogs", name=name)["container"]
        return [line.rstrip("\r\n") for line in lines].count("ready")

    # Containers

    @rule(
        name=names,
        program=st.sampled_from([*LASTING, *SHORT]),
        more=st.fixed_dictionaries(
            {},
            optional={
                "env": st.just({"WALK": "on"}),
                "work_dir": st.sampled_from(["/tmp", "/made/anew", "relative"]),
                "user": st.sampled_from(["nobody", "1:2", "stranger"]),
                "hostname": st.sampled_from(["walker", "bad name"]),
                "stop_signal": st.sampled_from([15, 9, 99]),
                "readonly_rootfs": st.just(True),
                "labels": st.just({"walk": "1"}),
                "cap_drop": st.sampled_from([["ALL"], ["CAP_NONE"]]),
                "tmpfs": st.sampled_from([["/tmp"], ["tmp"]]),
                "resources": st.sampled_from([{"pids_limit": 5}, {"memory": 1}, {"cpus": 0.5}]),
                "image": st.sampled_from(["nowhere", "small:latest"]),
                "tty": st.booleans(),
                "interactive": st.booleans(),
            },
        ),
    )
    def create(self, name: str, program: str, more: dict[str, Any]) -> None:
        command = {**LASTING, **SHORT}[program]
        create = {"image": "small", "name": name, "command": command, "net_mode": "none", **more}
        if self.both("CreateContainer", create=create).startswith("<"):
            is_listener = program == "reader" and (more.get("tty") or more.get("interactive"))
            self.programs[name], self.starts[name] = LISTENER if is_listener else program, 0

    @rule(name=known_or_not)
    def attach(self, name: str) -> None:
        """What has no init gets one that waits, so that Start comes upon containers in the state `created`."""
        self.both("GetAttachSockets", name=name)

    @rule(name=known_or_not)
    def start(self, name: str) -> None:
        if self.both("StartContainer", name=name).startswith("<"):
            self.settle(_plain(name))

    @rule(name=known_or_not)
    def restart(self, name: str) -> None:
        if self.both("RestartContainer", name=name, timeout=0).startswith("<"):
            self.settle(_plain(name))

    @rule(name=known_or_not)
    def stop(self, name: str) -> None:
        self.both("StopContainer", name=name, timeout=0)

    @rule(name=known_or_not, signal=st.sampled_from([-1, 0, 9, 10, 15, 17, 64, 65]))
    def kill(self, name: str, signal: int) -> None:
        before = self.status(_plain(name)) if name else ""
        if self.both("KillContainer", name=name, signal=signal).startswith("<"):
            heard = before == "created" or (before == "running" and self.programs[_plain(name)] == "loop")
            kills = signal == 9 or (signal in ENDING and heard)
            if kills:
                self.both("WaitContainer", name=name)
            elif (
                before == "paused" and signal in ENDING
            ):  # it comes to it when it is thawed: not here, where both could be caught
                self.both("UnpauseContainer", name=name)
                if self.programs[_plain(name)] == "loop":
                    self.both("WaitContainer", name=name)
            elif signal == 10 and before == "running" and self.programs[_plain(name)] == "loop":
                self.both("StopContainer", name=name, timeout=300)

    @rule(name=known_or_not)
    def pause(self, name: str) -> None:
        self.both("PauseContainer", name=name)

    @rule(name=known_or_not)
    def unpause(self, name: str) -> None:
        self.both("UnpauseContainer", name=name)

    @rule(name=known_or_not, force=st.booleans())
    def remove(self, name: str, force: bool) -> None:
        if force and self.programs.get(_plain(name)) in ("deaf", LISTENER) and self.status(_plain(name)) in ("running", "paused"):
            self.both("KillContainer", name=name, signal=9)  # else its stop_timeout would have to pass
            self.both("WaitContainer", name=name)
        self.both("RemoveContainer", name=name, force=force)

    @rule()
    def delete_stopped(self) -> None:
        answers = [sorted(play.client.call(f"{PODMAN}.DeleteStoppedContainers")["containers"]) for play in self.plays]
        assert len(answers[0]) == len(answers[1])

    # Questions

    @rule(name=known_or_not)
    def get(self, name: str) -> None:
        self.both("GetContainer", name=name)

    @rule()
    def list(self) -> None:
        self.both("ListContainers", "containers.names", "containers.status", "containers.command", "containers.containerrunning")

    @rule(name=known_or_not)
    def inspect(self, name: str) -> None:
        fields = ("State.Status", "State.ExitCode", "State.OOMKilled", "State.Error", "Config.User", "Config.Cmd", "Path", "Args")
        self.both("InspectContainer", *(f"container.{field}" for field in fields), name=name)

    @rule(name=known_or_not, more=st.booleans())
    def logs(self, name: str, more: bool) -> None:
        self.both("GetContainerLogs", name=name, more=more and self.status(_plain(name)) not in LIVE)

    @rule(name=known_or_not)
    def changes(self, name: str) -> None:
        self.both("ListContainerChanges", name=name)

    @rule(name=known_or_not)
    def stats(self, name: str) -> None:
        self.both("GetContainerStats", "container.name", name=name)

    @rule(name=known_or_not, opts=st.sampled_from([[], ["-o", "pid,comm"], ["--nonsense"]]))
    def processes(self, name: str, opts: "list[str]") -> None:
        running = self.status(_plain(name)) in ("running", "paused") if name else False
        if not running or opts == ["--nonsense"]:  # how many a loop has at this moment is chance
            self.both("ListContainerProcesses", name=name, opts=opts)

    @rule(name=known_or_not)
    def wait(self, name: str) -> None:
        if not name or self.status(_plain(name)) in ("", "exited"):
            self.both("WaitContainer", name=name)

    @rule(name=known_or_not, path=st.sampled_from(["$TMP/out.tar", "$TMP/nowhere/out.tar"]))
    def export(self, name: str, path: str) -> None:
        self.both("ExportContainer", name=name, path=path)

    # Images

    @rule(name=known_or_not, image=st.sampled_from(["walked", "walked:two", "Bad Name"]), pause=st.booleans())
    def commit(self, name: str, image: str, pause: bool) -> None:
        self.both("Commit", name=name, image_name=image, changes=["LABEL=a=b"], author="me", message="walk", pause=pause)

    @rule(
        image=st.sampled_from(["walked", "small", "nowhere", ""]), tagged=st.sampled_from(["again", "walked:three", "Bad:Name:x"])
    )
    def tag(self, image: str, tagged: str) -> None:
        self.both("TagImage", name=image, tagged=tagged)

    @rule(image=st.sampled_from(["walked", "walked:two", "again", "nowhere", "walked:three"]), force=st.booleans())
    def remove_image(self, image: str, force: bool) -> None:
        self.both("RemoveImage", name=image, force=force)

    @rule(image=st.sampled_from(["walked", "small", "again", "nowhere"]))
    def history(self, image: str) -> None:
        self.both("HistoryImage", name=image)

    @rule()
    def images(self) -> None:
        self.both("ListImages", "images.repoTags", "images.containers", "images.labels")


def _plain(name: str) -> str:
    """The name that `ID(name)` or `ID12(name)` stands for."""
    return name.rpartition("(")[2].rstrip(")")


@pytest.mark.needs("root", "runc", "overlay")
def test_a_walk_is_answered_alike_on_the_emulator_and_on_runc(tmp_path: Path, busybox_tar: Path) -> None:
    chosen = settings(
        max_examples=WANDERINGS or 10,
        stateful_step_count=40 if WANDERINGS else 25,
        derandomize=not WANDERINGS,
        suppress_health_check=list(HealthCheck),
    )
    with ExitStack() as stack:
        stages = []
        for make in (emulated_stage, runc_stage):
            folder = tmp_path / make.__name__
            folder.mkdir()
            stages.append(stack.enter_context(make(folder, busybox_tar)))
        run_state_machine_as_test(lambda: Walk(tuple(stages)), settings=chosen)  # type: ignore[no-untyped-call]
