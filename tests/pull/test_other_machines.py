"""An image by itself, in no index that would say so before, is for another machine or another system."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from layouts import layer, write_layout

from podlink import Engine
from podlink.engine.errors import ErrorOccurred

LAYERS = [layer({"bin/one": b"1"})]


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.emulated() as made:
        yield made


def warnings(records: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in records if record.levelno >= logging.WARNING]


def test_one_for_other_processors_is_kept_and_told(engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = write_layout(tmp_path / "o", LAYERS, platform={"architecture": "arm", "variant": "v7"})
    assert engine.images.pull(f"oci:{tmp_path}/o:v1") == image
    (told,) = warnings(caplog.records)
    assert re.fullmatch(rf"oci:{tmp_path}/o:v1 is for linux/arm/v7, and this machine runs linux/amd64(/v\d)?", told)
    assert engine.images.inspect(image)["Architecture"] == "arm"


def test_a_strangers_words_are_told_printably_and_no_longer_than_one_reads(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_layout(tmp_path / "o", LAYERS, platform={"architecture": "\x1b[31m\n" + "x" * 100_000})
    engine.images.pull(f"oci:{tmp_path}/o:v1")
    (told,) = warnings(caplog.records)
    assert told.isprintable() and len(told) < 600


def test_one_for_this_machine_is_not_told_of(engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_layout(tmp_path / "o", LAYERS)
    engine.images.pull(f"oci:{tmp_path}/o:v1")
    assert warnings(caplog.records) == []


def test_one_for_another_system_is_refused(engine: Engine, tmp_path: Path) -> None:
    write_layout(tmp_path / "o", LAYERS, platform={"os": "windows"})
    with pytest.raises(ErrorOccurred, match=rf"oci:{tmp_path}/o:v1: no image for linux/amd64\S*; it is for windows/amd64"):
        engine.images.pull(f"oci:{tmp_path}/o:v1")
    assert not engine.images.list() and not engine.host.content.known()
