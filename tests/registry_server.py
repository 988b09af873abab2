"""Debian's docker-registry on loopback: the real thing, for the tests of everything that pulls, pushes or searches."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from patience import until

NAME, PASSWORD = "ada", "secret"
HTPASSWD = "ada:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n"
"""The registry takes bcrypt only; this is what it makes of the password above, with a salt of our own."""


@dataclass(frozen=True)
class Settings:
    """What a registry is to ask of its clients. certificate: and its key, in PEM. clients: the authority of theirs. token: what
    its configuration has below `auth: token:`. foreign: a pattern of the URLs at which layers may lie that it has not."""

    certificate: tuple[Path, Path] | None = None
    clients: Path | None = None
    login: bool = False
    token: dict[str, str] | None = None
    foreign: str = ""


@contextmanager
def running_registry(folder: Path, settings: Settings | None = None) -> Iterator[str]:
    """The address, `127.0.0.1:PORT`, of a registry that keeps what it gets below `folder` and ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yml").write_text(configuration(folder, settings or Settings()))
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=output, stderr=output)
    try:
        yield address(process, log)
    finally:
        process.terminate()
        process.wait()


def address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Where it listens: it says so in its log once it does."""

    def said() -> list[str]:
        assert process.poll() is None, log.read_text()
        return re.findall(r'listening on ([^ ",]+).*\n', log.read_text())

    return until(said, log.read_text)[0]


def configuration(folder: Path, settings: Settings) -> str:
    """Its configuration, in YAML."""
    lines = ["version: 0.1", "log: {level: info}", "storage:", "  delete: {enabled: true}", "  cache: {blobdescriptor: inmemory}"]
    lines += [f"  filesystem: {{rootdirectory: {folder / 'storage'}}}", "http:", "  addr: 127.0.0.1:0"]
    if settings.certificate:
        certificate, key = settings.certificate
        lines += ["  tls:", f"    certificate: {certificate}", f"    key: {key}"]
        lines += [f"    clientcas: [{settings.clients}]"] * bool(settings.clients)
    if settings.foreign:
        lines += ["validation:", f"  manifests: {{urls: {{allow: ['{settings.foreign}']}}}}"]
    if settings.login:
        (folder / "htpasswd").write_text(HTPASSWD)
        lines += ["auth:", f"  htpasswd: {{realm: tests, path: {folder / 'htpasswd'}}}"]
    if settings.token:
        lines += ["auth:", "  token:", *(f"    {name}: {value}" for name, value in settings.token.items())]
    return "\n".join(lines) + "\n"
