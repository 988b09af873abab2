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
