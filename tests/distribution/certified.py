"""TLS for loopback: an authority of the tests' own."""

from pathlib import Path

import trustme


class Certified:
    """An authority of the tests' own, and a certificate for loopback by it, as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.root = folder / "ca.crt"
        self.authority.cert_pem.write_to_path(str(self.root))
        self.certificate = self.issue("server", "127.0.0.1", "localhost")

    def issue(self, name: str, *identities: str) -> tuple[Path, Path]:
        """Certificate and key, in PEM."""
        issued = self.authority.issue_cert(*identities)
        certificate, key = self.folder / f"{name}.cert", self.folder / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key
