"""By which names a container knows itself and others: /etc/hosts, /etc/hostname and /etc/resolv.conf, hosts(5), resolv.conf(5).

They are files of the container's directory, written at each start and bound inside; who shares another's network has its files.
On a network that was created by name, every container's hosts file also has the others that run, and is kept up to date: it is
written in place, since the bind mount inside is of this very file.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from podlink.engine.errors import ContainerNotFound
from podlink.engine.host import Host
from podlink.engine.network.wires import DEFAULT
from podlink.engine.oci.spec.mounts import ETC
from podlink.engine.state.containers import Container
from podlink.engine.state.networks import Lease

LOCALHOST = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
RESOLV = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
"""The second is what systemd-resolved was told, where the first leads to itself."""
LOOPBACK = ("127.", "::1", "0.0.0.0")
BEGIN = "# podlink: containers of this network\n"


def write_names(host: Host, container: Container) -> dict[str, str]:
    """Write the files, and answer which is to be seen where. The container has its lease, if it gets one."""
    word, _, other = container.config.net_mode.partition(":")
    if word == "container":
        found = {place: host.directory(other) / Path(place).name for place in ETC}
        return {place: str(path) for place, path in found.items() if path.exists()}
    directory = host.directory(container.id)
    lease = host.state.networks.lease_of(container.id)
    texts = {
        "/etc/hosts": _hosts(host, container, lease),
        "/etc/hostname": container.config.hostname + "\n",
        "/etc/resolv.conf": _resolv(container),
    }
    for place, text in texts.items():
        write_in_place(directory / Path(place).name, text)
    return {place: str(directory / Path(place).name) for place in texts}


def tell_neighbours(host: Host, network: str) -> None:
    """Have every container of a network know who else is on it now. On the default network nobody knows anybody."""
    if network in ("", DEFAULT):
        return
    with host.state.locks.hold("names"):
        for lease in host.state.networks.leases():
            path = host.directory(lease.container) / "hosts"
            if lease.network.name == network and path.exists():
                own = path.read_text().partition(BEGIN)[0]
                write_in_place(path, own + "".join(_neighbours(host, lease)))


def write_in_place(path: Path, text: str) -> None:
    """Without a moment at which the file is another one, or shorter than it is to be."""
    data = text.encode()
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
        lines += [f"{address}\t{' '.join(names)}\n" for address in (lease.address, lease.address6)]
    elif config.net_mode != "host":
        lines.append(f"127.0.0.1\t{config.hostname} {container.name}\n")
    neighbours = _neighbours(host, lease) if lease and lease.network.name != DEFAULT else ()
    return "".join([*lines, *neighbours])


def _neighbours(host: Host, mine: Lease) -> Iterator[str]:
    yield BEGIN
    for lease in host.state.networks.leases():
        if lease.network.name == mine.network.name and lease.container != mine.container:
            try:
                name = host.state.containers.get(lease.container).name
            except ContainerNotFound:
                continue
            for address in (lease.address, lease.address6):
                yield f"{address}\t{name} {lease.container[:12]}\n"


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
    for line in text.splitlines():
        word, _, value = line.strip().partition(" ")
        if word == key and value.strip() and not (avoided and value.strip().startswith(avoided)):
            yield value.strip()
