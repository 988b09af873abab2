"""A small image in parts: what is pushed where no store is needed."""

import gzip
import io
import json
import tarfile
from dataclasses import dataclass

from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import media_types
from podlink.engine.oci.image.manifest import Descriptor, Manifest


@dataclass(frozen=True)
class Picture:
    """layer, config, manifest: bytes."""

    layer: bytes
    config: bytes
    manifest: bytes

    @property
    def descriptors(self) -> list[tuple[Descriptor, bytes]]:
        return [
            (Descriptor(media_types.LAYER_GZIP, Digest.of(self.layer), len(self.layer)), self.layer),
            (Descriptor(media_types.CONFIG, Digest.of(self.config), len(self.config)), self.config),
        ]


def picture(text: str = "hello\n") -> Picture:
    """An image of one layer that holds one file with this text."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        entry = tarfile.TarInfo("etc/motd")
        entry.size = len(text.encode())
        archive.addfile(entry, io.BytesIO(text.encode()))
    layer = gzip.compress(tar.getvalue(), mtime=0)
    diff_id = str(Digest.of(tar.getvalue()))
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    ).encode()
    manifest = Manifest(
        config=Descriptor(media_types.CONFIG, Digest.of(config), len(config)),
        layers=(Descriptor(media_types.LAYER_GZIP, Digest.of(layer), len(layer)),),
    ).serialize()
    return Picture(layer, config, manifest)
