"""Write what the emulator answers into the scenarios: for new ones, whose answers are then read, and run on runc.

PYTHONPATH=tests python tests/scenarios/record_scenarios.py fixtures/scenarios/running.scenario …
"""

import sys
import tempfile
from pathlib import Path

from busybox_rootfs import write_busybox
from scenario_file import TELLING, read
from scenario_player import Stage, stage

from podlink import Engine


def record(path: Path, ready: Stage) -> None:
    """Put each answer below its call; remarks and all else stay as they are."""
    answers = []
    for scenario in read(path):
        with tempfile.TemporaryDirectory() as folder:
            played = ready.play(scenario, Path(folder))
        answers += [played.get(number, "") for number, step in enumerate(scenario.steps) if isinstance(step, TELLING)]
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith(("< ", "! ")):
            lines.append(line)
        if line.startswith(("> ", ">> ", "& ", "seen ")) and (answer := answers.pop(0)):
            lines.append(answer)
    path.write_text("\n".join(lines) + "\n")


def main(paths: list[Path]) -> None:
    with tempfile.TemporaryDirectory() as folder, stage(Engine.emulated(), write_busybox(Path(folder, "busybox.tar"))) as ready:
        for path in paths:
            record(path, ready)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
