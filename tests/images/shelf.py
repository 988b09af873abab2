"""What the tests of images share beside their fixtures."""

from collections.abc import Callable
from pathlib import Path

from podlink.engine.host import Host
from podlink.engine.oci.spec.values import ContainerConfig
from podlink.engine.state.values import Container

MOMENT = 1_795_424_030_664_805_896
"""2026-11-23 08:53:50.664805896 UTC, when the first image of a test is made; each next one a second later."""

Tarball = Callable[..., Path]
Import = Callable[..., str]


def stand_on(host: Host, image: str, name: str) -> str:
    """Record a container of the image, and answer its ID."""
    container = name.encode().hex().ljust(64, "0")
    layers = tuple(layer.chain for layer in host.state.images.get(image).layers)
    host.storage.create(container, layers)
    host.state.containers.add(
        Container(
            id=container,
            name=name,
            image=image,
            image_name=image,
            layers=layers,
            created_at=MOMENT,
            config=ContainerConfig(args=("sh",)),
        )
    )
    return container


def on_disk(host: Host) -> tuple[set[str], set[str]]:
    """The layers and the blobs that are there, as the parts themselves tell, and nothing else may be there either."""
    return set(host.storage.known()[0]), {str(digest) for digest in host.content.known()}


def files(folder: Path) -> list[str]:
    """Every file below the folder, for comparing before and after."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())
