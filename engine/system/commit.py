"""Which commit this podlink was made from. Stands alone: `setup.py` runs it, too, to note the commit in what it builds."""

from pathlib import Path

NOTE = "commit"
"""A file beside the package's `__init__.py`, in what was built from a checkout."""


def commit(package: Path) -> str:
    """The commit of an installed package, or of the checkout that it lies in; empty where neither tells."""
    try:
        return (package / NOTE).read_text().strip()
    except OSError:
        return of_checkout(package.parent)


def of_checkout(folder: Path) -> str:
    """What HEAD stands for, as gitrepository-layout(5) has it; empty where the folder is no checkout."""
    git = folder / ".git"
    try:
        if git.is_file():  # a worktree
            git = folder / git.read_text().removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref:"):
            return head
        common = git / "commondir"
        return _of_ref(git / common.read_text().strip() if common.exists() else git, head.removeprefix("ref:").strip())
    except (OSError, UnicodeDecodeError):
        return ""


def _of_ref(git: Path, name: str) -> str:
    if (git / name).is_file():
        return (git / name).read_text().strip()
    for line in (git / "packed-refs").read_text().splitlines():
        value, _, ref = line.partition(" ")
        if ref == name:
            return value
    return ""
