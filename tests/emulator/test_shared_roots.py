"""What one container found out about a root file system that it shares is true for the next one, and no more than that."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from podlink.engine.app import Engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.emulated() as engine:
        yield engine


@pytest.fixture
def image(engine: Engine) -> str:
    image = engine.images.build_from({"/data/word": "of the image\n"}, userland=True)
    maker = engine.containers.create(image=image, command=["sh", "-c", "ln -s data/word /link; ln -s / /round"])
    maker.start()
    assert maker.wait() == 0
    return maker.commit("linked")


def logs(engine: Engine, image: str, script: str, **fields: object) -> list[str]:
    return engine.containers.run(image, ["sh", "-c", script], **fields).logs


def test_what_is_mounted_over_a_known_path_is_seen(engine: Engine, image: str, tmp_path: Path) -> None:
    (tmp_path / "word").write_text("of the host\n")
    look = "cat /data/word /link /round/round/link; cat /data/none/../word"
    plain = logs(engine, image, look)
    assert plain[:3] == ["of the image\n"] * 3 and "can't open" in plain[3]
    for _ in range(2):
        assert logs(engine, image, look, volumes=[f"{tmp_path}:/data"])[:3] == ["of the host\n"] * 3
        assert logs(engine, image, f"rm /data/word; {look}", tmpfs=["/data"])[:1] == [
            "cat: can't open '/data/word': No such file or directory\n"
        ]
        assert logs(engine, image, look) == plain


def test_what_a_container_changes_it_sees_itself_and_nobody_else(engine: Engine, image: str) -> None:
    change = "cat /new; echo mine > /new; cat /new; echo mine > /data/word; rm /link; ln -s new /link"
    writer = engine.containers.create(image=image, command=["sh", "-c", f"test -e /new || {{ {change}; }}; cat /data/word /link"])
    for _ in range(2):
        writer.start()
        assert writer.wait() == 0
    assert writer.logs()[1:] == ["mine\n"] * 5
    assert logs(engine, image, "cat /link; test -e /new || echo none") == ["of the image\n", "none\n"]


def test_a_mount_point_in_a_directory_of_the_host_is_made_in_each(engine: Engine, image: str, tmp_path: Path) -> None:
    for name in ("one", "two", "one", "two"):
        (tmp_path / name).mkdir(exist_ok=True)
        logs(engine, image, "true", volumes=[f"{tmp_path / name}:/data"], tmpfs=["/data/inner"])
        assert (tmp_path / name / "inner").is_dir()
        (tmp_path / name / "inner").rmdir()


def test_a_mount_point_that_the_image_lacks_is_made_for_each_container(engine: Engine, image: str) -> None:
    for _ in range(2):
        assert logs(engine, image, "ls -d /made /data/deep/er", tmpfs=["/made", "/data/deep/er"]) == [
            "/data/deep/er\n",
            "/made\n",
        ]
    assert len(logs(engine, image, "ls /made /data/deep 2>&1")) == 2
