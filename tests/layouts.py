"""Images as OCI layouts, made by hand with the standard library alone, so that ours is not its own judge."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def layer(files: Mapping[str, bytes]) -> bytes:
    """A plain tar with these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def write_layout(
    folder: Path, layers: Sequence[bytes], *, tag: str = "v1", compress: bool = True, platform: Mapping[str, str] | None = None
) -> str:
    """A layout that holds one image of these layers (plain tars, base first); the answer is the image's ID.

    platform: what its configuration says otherwise of `os`, `architecture` and `variant`.
    """
    config = {
        "architecture": "amd64",
        "os": "linux",
        **(platform or {}),
        "config": {"Cmd": ["/bin/one"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(each) for each in layers]},
    }
    described = keep(folder, json.dumps(config).encode(), CONFIG)
    kind = LAYER + ("+gzip" if compress else "")
    blobs = [gzip.compress(each, 1, mtime=0) if compress else each for each in layers]
    manifest = {"schemaVersion": 2, "config": described, "layers": [keep(folder, blob, kind) for blob in blobs]}
    entry = keep(folder, json.dumps(manifest).encode(), MANIFEST)
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return str(described["digest"]).removeprefix("sha256:")


def keep(folder: Path, content: bytes, media_type: str) -> dict[str, Any]:
    """Write a blob into the layout; the answer describes it."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    name = digest(content)
    (blobs / name.removeprefix("sha256:")).write_bytes(content)
    return {"mediaType": media_type, "digest": name, "size": len(content)}


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
