"""A place in a registry becomes an Endpoint: the server behind the name, with the login and the certificates for it."""

from podlink.engine.images.registries.certificates import certificates_for
from podlink.engine.images.registries.configuration import Registries
from podlink.engine.images.registries.credentials import credentials_for
from podlink.engine.images.registries.surroundings import Surroundings
from podlink.engine.oci.distribution.endpoint import Endpoint
from podlink.engine.oci.reference import DEFAULT_REGISTRY

SERVERS = {DEFAULT_REGISTRY: "registry-1.docker.io"}
"""Registries whose server has another name."""
SEARCH_SERVERS = {DEFAULT_REGISTRY: "index.docker.io"}


def endpoint_for(
    repository: str, insecure: bool, registries: Registries, surroundings: Surroundings, *, searching: bool = False
) -> Endpoint:
    """The server of `registry/path`, or of a bare registry."""
    registry = repository.partition("/")[0]
    certificates = certificates_for(registry, surroundings)
    return Endpoint(
        name=registry,
        host=(SEARCH_SERVERS if searching else SERVERS).get(registry, registry),
        insecure=insecure,
        credentials=credentials_for(repository, surroundings, registries.helpers),
        authorities=certificates.authorities,
        client_certificate=certificates.client,
        environment=surroundings.environment,
    )
