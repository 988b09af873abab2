"""Garbage: layers and blobs on the disk that no row of the state names.

A row is written after what it names and removed before it, so a crash in between leaves garbage and never a row without its
layers. Whoever moves between the two holds `LOCK`; a layer that is still being unpacked has no name yet and is not seen here.
"""

import logging
from collections.abc import Callable, Iterable
from functools import partial

from podlink.engine.errors import EngineError
from podlink.engine.host import Host
from podlink.engine.images import LOCK
from podlink.engine.oci.digest import Digest
from podlink.engine.state.values import Layer

log = logging.getLogger(__name__)


def collect(host: Host) -> None:
    """Remove all garbage, that of crashed stagings too. What can't be removed is told in the log and stays for the next time."""
    with host.state.locks.hold(LOCK):
        _try(host, "unfinished layers", host.storage.sweep)
        _try(host, "unfinished blobs", host.content.sweep)
        needed = host.state.images.all_layers()
        layers, _ = host.storage.known()
        _remove_layers(host, set(layers) - {layer.chain for layer in needed})
        _remove_blobs(host, set(host.content.known()) - {Digest.parse(layer.blob) for layer in needed})


def drop(host: Host, layers: Iterable[Layer]) -> None:
    """Remove from the disk what no row names of these layers and their blobs. The caller holds `LOCK`."""
    layers = list(layers)
    needed = host.state.images.all_layers()
    chains, blobs = {layer.chain for layer in needed}, {layer.blob for layer in needed}
    _remove_layers(host, [layer.chain for layer in layers if layer.chain not in chains])
    _remove_blobs(host, [Digest.parse(layer.blob) for layer in layers if layer.blob not in blobs])


def _remove_layers(host: Host, chains: Iterable[str]) -> None:
    for chain in chains:
        _try(host, f"layer {chain[:12]}", partial(host.storage.remove, chain))


def _remove_blobs(host: Host, digests: Iterable[Digest]) -> None:
    for digest in digests:
        _try(host, f"blob {digest}", partial(host.content.remove, digest))


def _try(host: Host, what: str, removal: Callable[[], None]) -> None:
    """The image is gone already, and its garbage may stay a while: no reason to fail what was asked."""
    try:
        removal()
        host.arrears.soon()
    except (EngineError, OSError) as trouble:
        log.warning("%s can't be removed and stays until the engine is opened again: %s", what, trouble)
