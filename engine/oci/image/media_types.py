"""Media types (OCI image-spec, media-types.md), and those of Docker's image manifest version 2 that mean the same."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
INDEX = "application/vnd.oci.image.index.v1+json"

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER_TAR = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_ZSTD = "application/vnd.docker.image.rootfs.diff.tar.zstd"
LAYERS = {
    MANIFEST: {"": LAYER_TAR, "gzip": LAYER_GZIP, "zstd": LAYER_ZSTD},
    DOCKER_MANIFEST: {"": DOCKER_LAYER_TAR, "gzip": DOCKER_LAYER, "zstd": DOCKER_LAYER_ZSTD},
}
"""By the manifest's media type, and by compression: what a layer is called."""
FOREIGN = (
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
)
"""Layers that registries were not to hold; they say themselves where they are."""
ALL_LAYERS = frozenset((*FOREIGN, *LAYERS[MANIFEST].values(), *LAYERS[DOCKER_MANIFEST].values()))
CONFIGS = {MANIFEST: CONFIG, DOCKER_MANIFEST: DOCKER_CONFIG}
SCHEMA_1 = ("application/vnd.docker.distribution.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws")
"""Docker's first manifest, without configuration and IDs: out of use since 2017."""
