"""Containers and images to fill a state with. Every ID is told apart from the others by its first digits."""

from podlink.engine.oci.spec.values import ContainerConfig, Resources
from podlink.engine.state.values import Container, Image, Layer

NOW = 1_700_000_000_000_000_000
"""What the clock says that does not run."""

CONFIG = ContainerConfig(
    args=("/bin/sh", "-c", "sleep 1"),
    env=("PATH=/bin", "GREETING=grüß dich"),
    cap_drop=("CAP_MKNOD",),
    resources=Resources(memory=1 << 26, pids_limit=100),
    labels={"role": "web", "empty": ""},
    entrypoint=("/bin/sh",),
    command=("-c", "sleep 1"),
)


def full_id(start: str) -> str:
    """A 64-digit ID that starts so."""
    return start.ljust(64, "0")


def layer(start: str, parent: str = "") -> Layer:
    return Layer(
        chain=full_id(start),
        diff_id=f"sha256:{full_id('d' + start)}",
        blob=f"sha256:{full_id('b' + start)}",
        media_type="application/vnd.oci.image.layer.v1.tar+gzip",
        size=1000,
        blob_size=400,
        parent=full_id(parent) if parent else "",
    )


BASE = layer("ba5e")


def image(start: str, *layers: Layer, created_at: int = 1, names: tuple[str, ...] = ()) -> Image:
    stack = layers or (BASE,)
    return Image(
        id=full_id(start),
        digest=f"sha256:{full_id('e' + start)}",
        created_at=created_at,
        config=b'{"os": "linux"}\n',
        manifest=b'{"schemaVersion": 2}',
        size=sum(one.size for one in stack),
        layers=stack,
        names=names,
    )


ALPINE = image("a1")


def container(start: str, name: str, created_at: int = 1) -> Container:
    return Container(
        id=full_id(start),
        name=name,
        image=ALPINE.id,
        image_name="alpine",
        layers=(BASE.chain,),
        created_at=created_at,
        config=CONFIG,
        root_size=ALPINE.size,
    )
