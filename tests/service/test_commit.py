"""The commit that GetVersion and GetInfo tell: git is the judge."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from podlink.engine.system.commit import commit

IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.org")


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *IDENTITY, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.skipif(not shutil.which("git"), reason="this host has no git")
def test_the_commit_of_a_checkout_is_gits_however_it_keeps_it(tmp_path: Path) -> None:
    checkout, tree = tmp_path / "checkout", tmp_path / "tree"
    for folder in (checkout, tree):
        folder.mkdir()
    git(checkout, "init", "-q", "-b", "main")
    assert commit(checkout / "podlink") == ""
    git(checkout, "commit", "-q", "--allow-empty", "-m", "one")
    first = git(checkout, "rev-parse", "HEAD")
    assert commit(checkout / "podlink") == first
    git(checkout, "pack-refs", "--all")
    assert commit(checkout / "podlink") == first
    git(checkout, "worktree", "add", "-q", "-b", "side", str(tree))
    git(tree, "commit", "-q", "--allow-empty", "-m", "two")
    assert commit(tree / "podlink") == git(tree, "rev-parse", "HEAD") != first
    git(tree, "checkout", "-q", "--detach", first)
    assert commit(tree / "podlink") == first


def test_what_was_built_has_a_note_of_it_and_what_knows_nothing_says_nothing(tmp_path: Path) -> None:
    assert commit(tmp_path / "podlink") == ""
    (tmp_path / "podlink").mkdir()
    (tmp_path / "podlink" / "commit").write_text("d9b0790\n")
    assert commit(tmp_path / "podlink") == "d9b0790"
    (tmp_path / ".git").write_bytes(b"\xff")
    assert commit(tmp_path / "elsewhere") == ""


def test_both_methods_tell_it(service: Any) -> None:
    expected = commit(Path(__file__).parents[2] / "podlink")
    assert service.call("GetVersion")["version"]["git_commit"] == expected
    assert service.call("GetInfo")["info"]["podman"]["git_commit"] == expected
