"""Notes the commit in what is built from a checkout: pyproject.toml says all the rest."""

import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent
MADE = runpy.run_path(str(HERE / "engine" / "system" / "commit.py"))


def note(package: Path) -> None:
    """Leave the commit where `engine/system/commit.py` looks for it."""
    if commit := MADE["of_checkout"](HERE):
        (package / MADE["NOTE"]).write_text(commit + "\n")


class BuildWithCommit(build_py):
    """An editable install stays a checkout, which knows its commit at any time."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            note(Path(self.build_lib) / "podlink")


class SourcesWithCommit(sdist):
    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        note(Path(base_dir) / "podlink")


setup(cmdclass={"build_py": BuildWithCommit, "sdist": SourcesWithCommit})
