"""Configurations that say what no file system or kernel takes: the image is kept, and a container of it is refused."""

from collections.abc import Iterator

import pytest

from podlink import Engine
from podlink.engine.errors import InvalidRequest


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.emulated() as made:
        yield made


def test_a_volume_at_no_path_is_refused_unless_volumes_are_not_wanted(engine: Engine) -> None:
    engine.images.build_from({"/bin/one": "1"}, {"Volumes": {"/da\0ta": {}}, "Cmd": ["/bin/one"]}, "evil")
    for kind in ("", "tmpfs"):
        with pytest.raises(InvalidRequest, match=r"image: it declares a volume at '/da\\x00ta', .* image_volume_type ignore"):
            engine.containers.create(image="evil", image_volume_type=kind)
    assert engine.containers.create(image="evil", image_volume_type="ignore").id
