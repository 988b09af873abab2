"""Which server a registry is and how it may be spoken to. Values only; the images layer makes them of the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Credentials:
    """Name and password, or, where there is one, the identity token of a login (OAuth 2's refresh token)."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What the registry is shown, in PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One server.

    name: what people call the registry; messages use it. host: `host[:port]` of the server; for docker.io the two differ.
    insecure: certificates are not verified, and where the server speaks no TLS, plain HTTP will do.
    authorities: files of certificates that are trusted beside the system's. environment: where proxies are named.
    kind: what it is, in messages.
    """

    name: str
    host: str
    insecure: bool = False
    credentials: Credentials | None = None
    authorities: tuple[Path, ...] = ()
    client_certificate: ClientCertificate | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    kind: str = "registry"

    def __str__(self) -> str:
        """As messages call it."""
        return f"{self.kind} {self.name}"
