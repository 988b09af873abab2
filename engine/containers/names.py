"""By which names a container knows itself and others: /etc/hosts, /etc/hostname and /etc/resolv.conf, hosts(5), resolv.conf(5).

They are files of the container's directory, written at each start and bound inside; who shares another's network has its hosts
and its servers, who shares another's host name (uts_mode) has the file of that.
On a network that was created by name, every container's hosts file also has the others that run, and is kept up to date: it is
written in place, since the bind mount inside is of this very file.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from podlink.engine.errors import ContainerNotFound
from podlink.engine.host import Host
from podlink.engine.network.wires import DEFAULT
from podlink.engine.oci.spec.mounts import ETC
from podlink.engine.state.values import Container, Lease
from podlink.engine.storage.durable import refusals

HOSTNAME = "/etc/hostname"
FILES = {place: Path(place).name for place in ETC}
"""What each is called in its container's directory."""
LOCALHOST = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
RESOLV = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
"""The second is what systemd-resolved was told, where the first leads to itself."""
LOOPBACK = ("127.", "::1", "0.0.0.0")
BEGIN = "# podlink: containers of this network\n"
END = "# podlink: end\n"
LARGEST = 2**20
"""Bytes of a hosts file that are read again: what a container made of its own beyond that is left to it."""


def places_of_names(host: Host, container: Container) -> dict[str, str]:
    """Which file is to be seen where: the container's own, or those of whom it shares with."""
    of_network, of_name = _whose(host, container, "net_mode"), _whose(host, container, "uts_mode")
    whose = {place: of_name if place == HOSTNAME else of_network for place in ETC}
    found = {place: f"{host.directory(which)}/{FILES[place]}" for place, which in whose.items()}
    return {place: path for place, path in found.items() if whose[place] == container.id or Path(path).exists()}


def _whose(host: Host, container: Container, field: str) -> str:
    """The ID of the container whose namespace this is at the end: who is joined may have joined another one."""
    mode: str = getattr(container.config, field)
    word, _, which = mode.partition(":")
    if word != "container":
        return container.id
    try:
        return _whose(host, host.state.containers.get(which), field)
    except ContainerNotFound:
        return which


def write_names(host: Host, container: Container) -> dict[str, str]:
    """Write those that are the container's own, and answer which is to be seen where. It has its lease, if it gets one.

    Raises StorageFailed where the disk refuses.
    """
    places, directory = places_of_names(host, container), host.directory(container.id)
    lease = host.state.networks.lease_of(container.id)
    texts: dict[str, Callable[[], str]] = {
        "/etc/hosts": lambda: _hosts(host, container, lease),
        HOSTNAME: lambda: container.config.hostname + "\n",
        "/etc/resolv.conf": lambda: _resolv(container),
    }
    for place, text in texts.items():
        if places.get(place) == f"{directory}/{FILES[place]}":
            with refusals(f"container {container.id}: its {place}"):
                write_in_place(places[place], text())
    return places


def tell_neighbours(host: Host, network: str) -> None:
    """Have every container of a network know who else is on it now. On the default network nobody knows anybody.

    Raises StorageFailed where a file can't be written.
    """
    if network in ("", DEFAULT):
        return
    with host.state.locks.hold("names"):
        lines = _lines_of(host, network)
        for container in lines:
            with (
                refusals(f"container {container[:12]}: its /etc/hosts"),
                suppress(FileNotFoundError),
            ):  # it may be removed
                _tell(host.directory(container) / "hosts", _neighbours(lines, container))


def _tell(path: Path, neighbours: str) -> None:
    if path.stat().st_size <= LARGEST:
        write_in_place(str(path), _renewed(path.read_text(errors="surrogateescape"), neighbours))


def _renewed(text: str, neighbours: str) -> str:
    """A hosts file with these neighbours. What else is in it, the container may have written itself, and keeps."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.rpartition(END)
    if begin and end:
        return before + neighbours + after
    return before + ("" if before.endswith("\n") or not before else "\n") + neighbours + ("" if begin else rest)


def write_in_place(path: str, text: str) -> None:
    """Without a moment at which the file is another one, or shorter than it is to be."""
    data = text.encode(errors="surrogateescape")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(descriptor, 0o644)
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)


def _hosts(host: Host, container: Container, lease: Lease | None) -> str:
    config = container.config
    own = Path("/etc/hosts").read_text() if config.net_mode == "host" and Path("/etc/hosts").exists() else LOCALHOST
    lines = [own] + [f"{each.partition(':')[2]}\t{each.partition(':')[0]}\n" for each in config.hosts]
    if lease:
        names = dict.fromkeys((config.hostname, container.name))
        lines += [f"{address}\t{' '.join(names)}\n" for address in lease.addresses]
    elif config.net_mode != "host":
        lines.append(f"127.0.0.1\t{config.hostname} {container.name}\n")
    if lease and lease.network.name != DEFAULT:
        lines.append(_neighbours(_lines_of(host, lease.network.name), container.id))
    return "".join(lines)


def _lines_of(host: Host, network: str) -> dict[str, str]:
    """What the others of a network read of each container on it, by its ID."""
    found = {}
    for lease in host.state.networks.leases():
        if lease.network.name == network:
            with suppress(ContainerNotFound):
                name = host.state.containers.get(lease.container).name
                found[lease.container] = "".join(f"{each}\t{name} {lease.container[:12]}\n" for each in lease.addresses)
    return found


def _neighbours(lines: Mapping[str, str], container: str) -> str:
    return "".join([BEGIN, *(text for each, text in lines.items() if each != container), END])


def _resolv(container: Container) -> str:
    """The host's servers, but those that can't be reached from a network of one's own; what was asked for takes their place."""
    config = container.config
    text = RESOLV[0].read_text() if RESOLV[0].exists() else ""
    if config.net_mode != "host" and not list(_values(text, "nameserver", LOOPBACK)) and RESOLV[1].exists():
        text = RESOLV[1].read_text()
    avoided = () if config.net_mode == "host" else LOOPBACK
    servers = config.dns_servers or list(_values(text, "nameserver", avoided))
    search = config.dns_search or [word for line in _values(text, "search") for word in line.split()]
    options = config.dns_options or [word for line in _values(text, "options") for word in line.split()]
    lines = [f"search {' '.join(search)}\n"] if search and list(search) != ["."] else []
    lines += [f"nameserver {each}\n" for each in servers]
    return "".join([*lines, *([f"options {' '.join(options)}\n"] if options else [])])


def _values(text: str, key: str, avoided: tuple[str, ...] = ()) -> Iterator[str]:
    for line in filter(str.strip, text.splitlines()):
        word, *values = line.split()  # by spaces or tabs
        if word == key and values and not (avoided and values[0].startswith(avoided)):
            yield " ".join(values)
