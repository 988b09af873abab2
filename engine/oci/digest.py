"""Content addresses (OCI image-spec, descriptor.md, "Digests").

A digest names a piece of content by its hash, so that whoever holds one can tell whether he got the right bytes:

    sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    algorithm ↑    ↑ encoded: 64 lower-case hex digits

sha256 is the one algorithm that every implementation has to know. sha512, which the spec registers as optional, is refused
by name: blobs, layers and image IDs are kept under 64 digits here.
"""

import hashlib
import re
from dataclasses import dataclass

from podlink.engine.errors import InvalidRequest

ENCODED = re.compile(r"[0-9a-f]{64}")
FORM = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A sha256 content address. Holding one means that it was well formed. hex: its 64 digits."""

    hex: str

    def __post_init__(self) -> None:
        if not ENCODED.fullmatch(self.hex):
            raise InvalidRequest(f"not the 64 lower-case hex digits of a sha256 digest: {self.hex[:80]!r}")

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """Read `sha256:HEX`. Raises InvalidRequest."""
        if not (found := FORM.fullmatch(text)):
            raise InvalidRequest(f"not a digest: {text[:160]!r}; it looks like sha256: and 64 hex digits")
        if found[1] != "sha256":
            raise InvalidRequest(f"digest {text[:160]!r}: the algorithm {found[1]} is not supported; sha256 is")
        return cls(found[2])

    @classmethod
    def of(cls, content: bytes) -> "Digest":
        """The digest of these bytes."""
        return cls(hashlib.sha256(content).hexdigest())

    def __str__(self) -> str:
        return f"sha256:{self.hex}"
