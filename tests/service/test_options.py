"""What the command line says becomes the engine's configuration."""

import argparse
from pathlib import Path

import pytest

from podlink.api.cli import main
from podlink.api.cli.configuration import add_options, configuration
from podlink.engine.config import Config, Limits


def configured(*words: str) -> Config:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return configuration(parser.parse_args(words))


def test_limits_are_given_by_name_with_units() -> None:
    words = (
        "--limit",
        "total=20G",
        "--limit",
        "entries=1000",
        "--limit",
        "path=1K",
        "--limit",
        "ratio=10",
        "--limit",
        "spare=3M",
    )
    assert configured(*words).limits == Limits(total=20 * 2**30, entries=1000, path=1024, ratio=10, spare=3 * 2**20)
    assert configured("--limit", "total=1G", "--limit", "total=2G").limits.total == 2**31, "the last counts"
    assert configured().limits == Limits()


@pytest.mark.parametrize("word", ["total", "total=", "total=-1", "total=1.5G", "total=1P", "end_mark=0", "size=1", "=1"])
def test_what_is_no_limit_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        configured("--limit", word)
    assert (
        f"{word!r} is not NAME=NUMBER with a NAME of entries, total, path, header, names, ratio, spare" in capsys.readouterr().err
    )


def test_limits_reach_a_process_that_the_engine_starts() -> None:
    config = configured("--limit", "total=5", "--root", "/srv/podlink")
    assert Config.from_text(config.to_text()) == config


@pytest.mark.parametrize("deed", [["check"], ["reload"], ["list"], ["inspect", "web"], ["remove", "web"]])
def test_a_root_that_is_not_there_is_told_and_not_made(
    deed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "mistyped"
    with pytest.raises(SystemExit) as ended:
        main(["network", *deed, "--runtime", "emulator", "--root", str(root), "--runroot", str(tmp_path / "run")])
    assert ended.value.code == 1 and not list(tmp_path.iterdir())
    assert (
        capsys.readouterr().err == f"podlink: {root} is not there, so it has no networks; say --root with that of the service\n"
    )
