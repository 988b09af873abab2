"""What images are called in an archive or a layout, and by which words one of them is found there again."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podlink import Engine
from podlink.engine.errors import ErrorOccurred, InvalidRequest


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.emulated() as made:
        yield made


Edit = Callable[[list[dict[str, object]]], list[dict[str, object]]]


def rewritten(path: Path, edit: Edit) -> None:
    """Change the manifest of an archive, as another program would have written it."""
    folder = path.with_suffix(".d")
    folder.mkdir()
    subprocess.run(["tar", "-C", folder, "-xf", path], check=True)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(edit(json.loads(manifest.read_text()))))
    subprocess.run(["tar", "-C", folder, "-cf", path, "."], check=True)


@pytest.fixture
def archive(engine: Engine, tmp_path: Path) -> Path:
    """With the names as skopeo writes them, whole, and as docker does, short."""
    engine.images.build_from({"/app": "1"}, name="first")
    path = tmp_path / "images.tar"
    engine.images.export("first", f"docker-archive:{path}:alpine:3", tags=["team/app"])

    def shortened(images: list[dict[str, object]]) -> list[dict[str, object]]:
        return [*images, {**images[0], "RepoTags": ["busybox:latest", "Not A Name"]}]

    rewritten(path, shortened)
    return path


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("alpine:3", ("docker.io/library/alpine:3",)),
        ("docker.io/library/alpine:3", ("docker.io/library/alpine:3",)),
        ("index.docker.io/alpine:3", ("docker.io/library/alpine:3",)),
        ("team/app", ("docker.io/team/app:latest",)),
        ("busybox", ("docker.io/library/busybox:latest",)),
        ("docker.io/library/busybox:latest", ("docker.io/library/busybox:latest",)),
        ("@0", ("docker.io/library/alpine:3", "docker.io/team/app:latest")),
    ],
)
def test_an_image_is_found_in_an_archive_by_any_form_of_its_name(archive: Path, words: str, names: tuple[str, ...]) -> None:
    with Engine.emulated() as other:
        other.images.pull(f"docker-archive:{archive}:{words}")
        assert other.images.list()[0].names == names


@pytest.mark.parametrize("words", ["alpine", "alpine:4", "library", "@2", "@x", "A"])
def test_what_is_not_in_an_archive_is_told_with_what_is(archive: Path, words: str) -> None:
    listed = "docker.io/library/alpine:3, docker.io/team/app:latest, busybox:latest, Not A Name"
    with Engine.emulated() as other:
        with pytest.raises(ErrorOccurred) as caught:
            other.images.pull(f"docker-archive:{archive}:{words}")
        assert f"images.tar:{words}: no such image is there; it has {listed}: say which" in caught.value.reason
        assert other.images.list() == []


def test_one_of_several_has_to_be_named(archive: Path) -> None:
    with (
        Engine.emulated() as other,
        pytest.raises(ErrorOccurred, match=r"2 images fit; it has .*: say which, as docker-archive:"),
    ):
        other.images.pull(f"docker-archive:{archive}")


def test_a_layout_says_what_it_has_too(engine: Engine, tmp_path: Path) -> None:
    engine.images.build_from({"/app": "1"}, name="first")
    for tag in ("a", "b"):
        engine.images.export("first", f"oci:{tmp_path}/o:{tag}")
    with Engine.emulated() as other:
        for words, says in ((":c", "no such image is there"), ("", "2 images fit")):
            with pytest.raises(ErrorOccurred, match=f"{says}; it has a, b: say which, as oci:PATH:TAG"):
                other.images.pull(f"oci:{tmp_path}/o{words}")


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
@pytest.mark.parametrize("tag", ["a b", ":x", "x/", "é", "a\nb", "..", "-"])
def test_a_layout_gives_no_name_that_others_would_not_find(engine: Engine, tmp_path: Path, kind: str, tag: str) -> None:
    engine.images.build_from({"/app": "1"}, name="first")
    with pytest.raises(InvalidRequest, match="can be no name in a layout"):
        engine.images.export("first", f"{kind}:{tmp_path}/o:{tag}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tag", ["1.0", "example.org:5000/team/app:1.0-rc_1", "a--b", "app@sha256:00"])
def test_a_layout_takes_every_name_of_the_specification(engine: Engine, tmp_path: Path, tag: str) -> None:
    image = engine.images.build_from({"/app": "1"}, name="first")
    engine.images.export("first", f"oci:{tmp_path}/o:{tag}")
    assert engine.images.pull(f"oci:{tmp_path}/o:{tag}") == image


def test_a_folder_is_made_only_in_one_that_is_there(engine: Engine, tmp_path: Path) -> None:
    engine.images.build_from({"/app": "1"}, name="first")
    with pytest.raises(ErrorOccurred, match=f"dir:{tmp_path}/no/where: it is to be a folder in one that is there"):
        engine.images.export("first", f"dir:{tmp_path}/no/where")
    assert list(tmp_path.iterdir()) == []
