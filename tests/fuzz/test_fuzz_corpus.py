"""Every file that the fuzzer has kept: each was the first to take the parser some new way, or has broken it once.

To look for more: python tests/fuzz/grow.py archives 60
"""

import io
from contextlib import closing, suppress
from pathlib import Path

import pytest
from targets import CORPUS, LIMITS, TARGETS

from podlink.engine.errors import InvalidArchive, StorageFailed
from podlink.engine.oci.layer.apply import fill
from podlink.engine.oci.layer.hiding import hiding_for
from podlink.engine.oci.layer.place import Beneath
from podlink.engine.oci.layer.whiteouts import Whiteouts

FILES = [pytest.param(path, id=f"{path.parent.name}-{path.name}") for path in sorted(CORPUS.glob("*/*"))]
LARGEST = 16 * 1024


@pytest.mark.parametrize("path", FILES)
def test_what_the_fuzzer_found_is_read_or_refused(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_no_archive_of_the_corpus_reaches_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("untouched")
    for number, path in enumerate(sorted((CORPUS / "archives").iterdir())):
        root = tmp_path / "layers" / str(number)
        root.mkdir(parents=True)
        with closing(Beneath(root)) as place, suppress(InvalidArchive, StorageFailed):
            fill(place, hiding_for(Whiteouts.APPLY), io.BytesIO(path.read_bytes()), LIMITS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layers", "secret"]
    assert (tmp_path / "secret").read_text() == "untouched"
    assert {path.name for path in (tmp_path / "layers").iterdir()} == {str(each) for each in range(number + 1)}


def test_every_parser_has_a_corpus_of_small_files() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert all(len(list((CORPUS / name).iterdir())) >= 15 for name in TARGETS)
    assert [path for path in CORPUS.glob("*/*") if path.stat().st_size > LARGEST] == []
