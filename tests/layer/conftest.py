"""Where layers are unpacked."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from yard import Yard


@pytest.fixture(params=["root", "nobody"])
def yard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """Both ways to unpack: locked in as root, and by hand without rights. Whatever a test does, nothing beside changes."""
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("not root: only the way without rights can be tried")
    with tempfile.TemporaryDirectory(prefix="podlink-layer-") as name:
        Path(name).chmod(0o755)
        made = Yard(Path(name), privileged=request.param == "root")
        yield made
        made.assert_untouched()
