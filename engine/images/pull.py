"""PullImage: from a registry, an archive or a folder into the store.

    name ──▶ candidates, tried in turn ──▶ resolve: manifest, configuration
                                              │ layers that are not here
                                              ▼
              row ◀── names given, base first ◀── unpacked side by side ◀── fetched, several at a time

Nothing that a place says is believed: each blob's size and digest, and each layer's diff ID, are checked before anything gets its
name. Until then blobs are files that belong to this process, layers are stagings that belong to it, and should it die, the next
engine that opens the root sweeps them away. Names are given in one go, under the lock `LOCK`, and the row is written last.

Who pulls holds a lock with the chain ID of the lowest layer that is not here. Whoever wants one of the layers above it lacks that
one too, waits for the same lock, in this process or another, and then finds them here: all of a pull's layers come at once.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from podlink.engine.cancel import NEVER, Cancel
from podlink.engine.errors import ErrorOccurred, ImageNotFound, InvalidArchive, InvalidRequest, RegistryFailed, StorageFailed
from podlink.engine.host import Host
from podlink.engine.images import LOCK
from podlink.engine.images.arrivals import Arrival, Progress
from podlink.engine.images.collect import drop
from podlink.engine.images.registries.surroundings import around
from podlink.engine.images.resolve import Resolved, Wanted, resolve
from podlink.engine.images.together import Stop, finish, several
from podlink.engine.images.transports.base import Source
from podlink.engine.images.transports.places import Terms, candidates
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import times
from podlink.engine.oci.image.platforms import platform_of
from podlink.engine.oci.layer.bounds import Room
from podlink.engine.oci.layer.jails import Jails, jails
from podlink.engine.oci.layer.unpack import Unpacked
from podlink.engine.state.values import Image, Layer
from podlink.engine.storage.driver import Staging
from podlink.engine.storage.layers import StagedLayer, fill, settled

PIECE = 256 * 1024
ATTEMPTS = 3
"""How often what we build on may be removed while we build."""


class _Vanished(Exception):
    """Somebody removed the image that shared its layers with ours."""


def pull(host: Host, name: str, *, tls_verify: bool = True, progress: Progress | None = None, cancel: Cancel = NEVER) -> str:
    """Bring an image in and return its ID. Of one that is here already nothing is fetched; it gets the name.

    tls_verify: false to trust any registry on the way, also one without TLS. Raises ErrorOccurred, saying what was tried:
    InvalidRequest for what is no name, RegistryFailed, InvalidArchive for what is damaged or beyond the limits, StorageFailed,
    Cancelled. A short name's next candidate is tried where a registry has no such image, or fails; one that has it and is damaged
    is not passed over for another's.
    """
    told = progress or (lambda blob, size: None)
    troubles: list[str] = []
    try:
        stop, config = Stop(cancel), host.config
        terms = Terms(scratch=config.root, limits=config.limits, tls_verify=tls_verify, surroundings=around(host))
        for candidate in candidates(name, terms, stop):
            try:
                with candidate.open() as source:
                    return _pull(host, source, told, stop)
            except ImageNotFound as missing:
                troubles.append(f"{missing.name} is not there")
            except RegistryFailed as trouble:
                troubles.append(trouble.reason)
                stop.go_on()
    except (InvalidRequest, InvalidArchive, StorageFailed) as trouble:
        raise type(trouble)(f"unable to pull {name}: {trouble.reason}") from trouble
    except ErrorOccurred as trouble:
        trouble.reason = f"unable to pull {name}: {trouble.reason}"
        raise
    except OSError as trouble:
        raise StorageFailed(f"unable to pull {name}: {trouble}") from trouble
    raise ErrorOccurred(f"unable to pull {name}: {'; '.join(troubles)}")


def _pull(host: Host, source: Source, progress: Progress, stop: Stop) -> str:
    found = resolve(source, platform_of(host.facts.architecture, host.facts.features))
    for _ in range(ATTEMPTS):
        try:
            with _turn(host, found, stop) as known:
                if not _is_here(host, found, source):
                    _bring(host, found, known, source, progress, stop)
                return found.id
        except _Vanished:
            continue
    raise StorageFailed(f"{source.name}: layers that it shares with other images are removed again and again; try later")


@contextmanager
def _turn(host: Host, found: Resolved, stop: Stop) -> Iterator[list[Layer]]:
    """Be the only one who works on those of the layers that are not here, for as long as the block lasts. The others: those here.

    Raises Cancelled for a caller who leaves while somebody else works on them.
    """
    known: list[Layer] = []
    with ExitStack() as stack:
        for wanted in found.layers:
            layer = host.state.images.layer(wanted.chain)
            if layer is None:
                key = f"layer-{wanted.chain}"
                stack.enter_context(host.state.locks.hold(key, stop))
                stack.callback(host.state.locks.forget, key)
                layer = host.state.images.layer(wanted.chain)
            if layer is None:
                break
            known.append(layer)
            stack.close()
        yield known


def _is_here(host: Host, found: Resolved, source: Source) -> bool:
    """Whether the image is here; then it has its name now."""
    if not host.state.images.by_prefix(found.id):
        return False
    try:
        for name in source.names:
            host.state.images.tag(found.id, name)
        host.state.images.note(found.id, _repo_digests(found, source))
    except ImageNotFound:
        raise _Vanished from None
    return True


def _bring(host: Host, found: Resolved, known: Sequence[Layer], source: Source, progress: Progress, stop: Stop) -> None:
    """Fetch and unpack what is missing, then give it all its names. On any failure nothing of it is left."""
    missing = found.layers[len(known) :]
    needed = {each.descriptor.digest: each.descriptor for each in missing if not host.content.has(each.descriptor.digest)}
    Room(host.config.root, host.config.limits.spare).require(sum(each.size for each in needed.values()))
    with ExitStack() as undo:
        arrivals: dict[Digest, Arrival] = {}
        for digest, descriptor in needed.items():
            arrivals[digest] = Arrival(descriptor, host.content.writer, stop)
            undo.callback(arrivals[digest].discard)
        with jails() as shared, several(stop) as fetching, several(stop, os.cpu_count() or 1) as unpacking:
            fetched = [fetching.submit(arrival.fetch, source, progress) for arrival in arrivals.values()]
            stagings: list[Staging] = []
            filled: list[Future[Unpacked]] = []
            for wanted in missing:
                if filled and not host.storage.stacks:
                    filled[-1].result()  # it is what the next one begins as
                stagings.append(host.storage.stage([layer.chain for layer in known], stagings[-1] if stagings else None))
                undo.callback(host.storage.discard, stagings[-1])
                arrival = arrivals.get(wanted.descriptor.digest)
                filled.append(unpacking.submit(_fill, host, wanted, stagings[-1], arrival, source, stop, shared))
            finish([*fetched, *filled])
        made = [settled(staging, done.result()) for staging, done in zip(stagings, filled, strict=True)]
        _commit(host, found, known, list(zip(missing, made, strict=True)), arrivals, source)


def _fill(
    host: Host,
    wanted: Wanted,
    staging: Staging,
    arrival: Arrival | None,
    source: Source,
    stop: Stop,
    shared: Jails | None,
) -> Unpacked:
    """One layer into its staging: from its blob as it arrives, or from one that is here. Its failure stops the others."""
    digest = wanted.descriptor.digest
    try:
        stop.check()
        with arrival.open() if arrival else host.content.open(digest) as blob:
            limits = replace(host.config.limits, end_mark=False)  # its digest says that it is whole
            done = fill(staging, blob, limits, shared)
            while blob.read(PIECE):  # to the end, where it turns out whether it is what it has to be
                stop.check()
        if done.diff_id != wanted.diff_id:
            raise InvalidArchive(f"it unpacks to {done.diff_id}, and the configuration wants {wanted.diff_id}")
    except InvalidArchive as trouble:
        stop.check()  # what was wrong with the blob itself says more
        told = InvalidArchive(f"{source.name}: layer {digest}: {trouble.reason}")
        stop.stop(told)
        raise told from None
    except BaseException as trouble:
        stop.stop(trouble)
        raise
    return done


def _commit(
    host: Host,
    found: Resolved,
    known: Sequence[Layer],
    made: Sequence[tuple[Wanted, StagedLayer]],
    arrivals: Mapping[Digest, Arrival],
    source: Source,
) -> None:
    """Give blobs and layers their names, then write the row."""
    layers = [*known]
    for wanted, staged in made:
        layers.append(_row(wanted, staged.size, layers[-1].chain if layers else ""))
    with host.state.locks.hold(LOCK), ExitStack() as undo:
        if any(host.state.images.layer(layer.chain) is None for layer in known):
            raise _Vanished
        undo.callback(drop, host, layers[len(known) :][::-1])
        host.content.commit({digest: arrival.writer for digest, arrival in arrivals.items()})
        if not all(host.content.has(wanted.descriptor.digest) for wanted, _ in made):
            raise _Vanished
        host.storage.commit([(staged.staging, wanted.chain) for wanted, staged in made])
        host.state.images.add(_image(found, layers, source), source.names, "pull")
        undo.pop_all()


def _image(found: Resolved, layers: Sequence[Layer], source: Source) -> Image:
    return Image(
        id=found.id,
        digest=str(Digest.of(found.manifest)),
        created_at=0 if found.config.created == times.UNKNOWN else found.config.created,
        config=found.configuration,
        manifest=found.manifest,
        size=sum(layer.size for layer in layers),
        layers=tuple(layers),
        digests=_repo_digests(found, source),
    )


def _repo_digests(found: Resolved, source: Source) -> tuple[str, ...]:
    """`REPOSITORY@DIGEST` of what was found in a registry."""
    return tuple(f"{source.repository}@{digest}" for digest in found.digests) if source.repository else ()


def _row(wanted: Wanted, size: int, parent: str) -> Layer:
    return Layer(
        chain=wanted.chain,
        diff_id=str(wanted.diff_id),
        blob=str(wanted.descriptor.digest),
        media_type=wanted.descriptor.media_type,
        size=size,
        blob_size=wanted.descriptor.size,
        parent=parent,
    )
