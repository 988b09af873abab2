"""InspectImage: all that is known of one image, under the keys of the original service."""

from podlink.engine.host import Host
from podlink.engine.images.inspected import InspectedImage
from podlink.engine.images.lookup import find_image, repo_digests
from podlink.engine.oci.image import times
from podlink.engine.oci.image.config import ImageConfig
from podlink.engine.oci.image.manifest import Manifest


def inspect_image(host: Host, name: str) -> InspectedImage:
    """The document, ready for JSON. Raises ImageNotFound, AmbiguousName.

    Parent, Version and GraphDriver's Data are empty because nothing here has them: images know their layers and no parent
    image, the version is that of a Docker that built the image, and what a driver keeps belongs to containers.
    """
    image = find_image(host, name)
    config, manifest = ImageConfig.parse(image.config), Manifest.parse(image.manifest)
    return {
        "Id": image.id,
        "Digest": image.digest,
        "RepoTags": list(image.names),
        "RepoDigests": repo_digests(image),
        "Parent": "",
        "Comment": config.history[-1].comment if config.history else "",
        "Created": None if config.created == times.UNKNOWN else times.rfc3339(config.created),
        "ContainerConfig": config.runtime(),
        "Version": "",
        "Author": config.author,
        "Architecture": config.architecture,
        "Os": config.os,
        "Size": image.size,
        "VirtualSize": image.size,
        "GraphDriver": {"Name": host.storage.name, "Data": {}},
        "RootFS": {"Type": "layers", "Layers": [str(digest) for digest in config.diff_ids]},
        "Labels": dict(config.execution.labels),
        "Annotations": dict(manifest.annotations),
        "ManifestType": manifest.media_type,
    }
