"""What is mounted where, whatever a path is made of."""

from pathlib import Path

import pytest

from podlink.engine.linux import mounts

pytestmark = pytest.mark.needs("root")


@pytest.mark.parametrize("name", ["plain", "two words", "tab\tand\nline", "back\\slash", "\\040"])
def test_a_mount_is_found_by_its_place_and_by_no_other(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    (place / "inside").mkdir(parents=True)
    assert not mounts.is_mounted(place)
    mounts.bind(place, place)
    try:
        found = mounts.mounted_at(place)
        assert found is not None and found.place == place
        assert (
            not mounts.is_mounted(place / "inside")
            and not mounts.is_mounted(tmp_path)
            and not mounts.is_mounted(Path(f"{place}2"))
        )
        assert mounts.mounted_below(tmp_path) == [place]
    finally:
        mounts.unmount(place)
    assert not mounts.is_mounted(place)


def test_what_is_mounted_at_one_place_takes_no_look_at_the_list_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "place")
    monkeypatch.setattr(mounts, "MOUNTINFO", tmp_path / "missing")
    mounts.bind(tmp_path / "place", tmp_path / "place")
    try:
        mounts.mount("tmpfs", "over it", tmp_path / "place", "size=64k")
        assert mounts.is_mounted(tmp_path / "place") and not mounts.is_mounted(tmp_path / "link")
    finally:
        mounts.unmount(tmp_path / "place")
    assert not mounts.is_mounted(tmp_path / "place") and not mounts.is_mounted(tmp_path / "nothing" / "here")
