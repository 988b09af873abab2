"""Each scenario of `fixtures/scenarios` is answered by the emulator and by runc as it is written there: so they are alike."""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from patience import patience
from scenario_file import FOLDER, Call, Scenario, read, scenarios
from scenario_player import PODMAN, Stage
from scenario_stages import emulated_stage, runc_stage

from podlink.api.podman.service import HANDLERS
from podlink.api.serving import serve
from podlink.api.varlink.client import Client
from podlink.api.varlink.service import VarlinkError
from podlink.engine.app import Engine
from podlink.engine.config import Config

ALL = scenarios()


@dataclass(frozen=True)
class Difference:
    """An answer that runc gives in other words than the emulator, and why that is wanted."""

    scenario: str
    emulator: str
    runc: str
    reason: str


DIFFERENCES = [Difference(**each) for each in tomllib.loads((FOLDER / "differences.toml").read_text()).get("difference", [])]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(emulated_stage, id="emulator"),
        pytest.param(runc_stage, id="runc", marks=pytest.mark.needs("root", "runc", "overlay", "nft")),
    ],
)
def played_on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path) -> Iterator[Stage]:
    """One engine for all scenarios."""
    with request.param(tmp_path_factory.mktemp("scenarios"), busybox_tar) as ready:
        yield ready


@pytest.mark.parametrize("scenario", ALL, ids=lambda each: each.name.replace(" ", "-"))
def test_a_scenario(scenario: Scenario, played_on: Stage, tmp_path: Path) -> None:
    runc = played_on.engine.host.runtime.name == "runc"
    other = {each.emulator: each.runc for each in DIFFERENCES if runc and each.scenario == scenario.name}
    expected = {number: other.get(line, line) for number, line in scenario.expected.items()}
    assert played_on.play(scenario, tmp_path) == expected


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda folder: Engine.emulated(), id="emulator"),
        pytest.param(
            lambda folder: Engine.open(Config(root=folder / "root", runroot=folder / "run")),
            id="runc",
            marks=pytest.mark.needs("root", "runc", "overlay"),
        ),
    ],
)
def test_an_engine_that_was_closed_below_its_service_is_an_error_of_the_runtime(
    make: Callable[[Path], Engine], tmp_path: Path
) -> None:
    """No scenario: the engine is gone for good, and the next one would have none."""
    with make(tmp_path) as engine, serve(engine) as address, Client.connect(address, timeout=patience()) as client:
        engine.close()
        with pytest.raises(VarlinkError, match="closed; open the engine again") as refusal:
            client.call(f"{PODMAN}.ListContainers")
        assert refusal.value.name == f"{PODMAN}.RuntimeError"


def test_the_corpus_is_large_and_each_scenario_has_a_name_of_its_own() -> None:
    assert len({each.name for each in ALL}) == len(ALL) >= 150


def test_every_method_is_called_and_answers_and_is_refused() -> None:
    """What works answers a reply somewhere; every error of the interface is there too."""
    answered = {
        step.method
        for each in ALL
        for number, step in enumerate(each.steps)
        if isinstance(step, Call) and (step.alias or each.expected.get(number, "").startswith("<"))
    }
    refused = {line.split()[1] for each in ALL for line in each.expected.values() if line.startswith("!")}
    called = {step.method for each in ALL for step in each.steps if isinstance(step, Call)}
    assert HANDLERS.keys() - ELSEWHERE <= called
    assert answered >= HANDLERS.keys() - ELSEWHERE - NOT_IMPLEMENTED
    assert {"ContainerNotFound", "ImageNotFound", "ErrorOccurred"} <= refused


ELSEWHERE = {"SearchImage"}
"""What needs a registry that searches has tests of its own."""
NOT_IMPLEMENTED = {"AttachToContainer", "BuildImage", "CreateImage", "RenameContainer", "ResizeContainerTty", "UpdateContainer"}


def test_every_call_has_an_answer_written_down() -> None:
    silent = [
        f"{each.name}: {step.method}"
        for each in ALL
        for number, step in enumerate(each.steps)
        if isinstance(step, Call) and not step.alias and number not in each.expected
    ]
    assert silent == []


def test_each_difference_is_one_and_has_its_reason() -> None:
    by_name = {each.name: each for each in ALL}
    for each in DIFFERENCES:
        assert each.emulator in by_name[each.scenario].expected.values(), each.scenario
        assert each.emulator != each.runc and len(each.reason.split()) > 3


@pytest.mark.parametrize(
    "text",
    ["> Ping", "== one\n< {}", "== one\nnonsense", "== one\ngiven sleeping web: true", "== one\n> Ping {} more"],
    ids=["no name", "no call", "no step", "no such state", "more behind the parameters"],
)
def test_a_file_that_is_not_understood_is_refused_by_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.scenario").write_text(text + "\n")
    with pytest.raises(ValueError, match=r"bad\.scenario, line \d"):
        list(read(tmp_path / "bad.scenario"))
