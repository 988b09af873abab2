"""TLS as a registry wants it (containers-certs.d(5)).

/etc/containers/certs.d/            or ~/.config/containers/certs.d/, or /etc/docker/certs.d/; the first that knows the registry
└── reg.example:5000/
    ├── ca.crt                      an authority to trust
    ├── client.cert                 what we show,
    └── client.key                  and its key
"""

from dataclasses import dataclass
from pathlib import Path

from podlink.engine.errors import InvalidRequest
from podlink.engine.images.registries.surroundings import Surroundings
from podlink.engine.oci.distribution.endpoint import ClientCertificate


@dataclass(frozen=True, slots=True)
class Certificates:
    """What one registry's folder holds."""

    authorities: tuple[Path, ...] = ()
    client: ClientCertificate | None = None


def certificates_for(registry: str, surroundings: Surroundings) -> Certificates:
    """The registry's certificates. Raises InvalidRequest for one without its key, and for a key without its certificate."""
    for folder in _folders(surroundings):
        if (folder / registry).is_dir():
            return _read(folder / registry)
    return Certificates()


def _folders(surroundings: Surroundings) -> list[Path]:
    etc = surroundings.etc
    return [surroundings.settings / "containers/certs.d", etc / "containers/certs.d", etc / "docker/certs.d"]


def _read(folder: Path) -> Certificates:
    shown = sorted(folder.glob("*.cert"))
    for path in shown:
        if not path.with_suffix(".key").is_file():
            raise InvalidRequest(f"{path}: its key {path.with_suffix('.key').name} is not beside it")
    for path in sorted(folder.glob("*.key")):
        if not path.with_suffix(".cert").is_file():
            raise InvalidRequest(f"{path}: its certificate {path.with_suffix('.cert').name} is not beside it")
    client = ClientCertificate(shown[0], shown[0].with_suffix(".key")) if shown else None
    return Certificates(tuple(sorted(folder.glob("*.crt"))), client)
