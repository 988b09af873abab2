"""Networks as objects of their own: looking at one, removing one that no container names any more, and seeing what is amiss."""

from podlink.engine.containers.lifecycle import LIVE
from podlink.engine.errors import ContainerNotFound, NetworkFailed
from podlink.engine.host import Host
from podlink.engine.state.values import Lease, Network


def inspect_network(host: Host, name: str) -> tuple[Network, list[Lease]]:
    """The network, and who has which address of it. Raises NetworkFailed where there is none."""
    network = host.state.networks.find(name)
    if network is None:
        raise NetworkFailed(f"there is no network {name!r}")
    return network, [lease for lease in host.state.networks.leases() if lease.network.name == name]


def remove_network(host: Host, name: str) -> None:
    """Raises NetworkFailed, naming them, while containers are to run on it."""
    inspect_network(host, name)
    if users := [row.name for row in host.state.containers.all() if row.config.network == name]:
        raise NetworkFailed(f"network {name} is that of {', '.join(users)}; remove them first")
    host.network.remove(name)


def network_troubles(host: Host) -> list[str]:
    """Where records, leases and host differ, a sentence each, which says what to do."""
    return [trouble for lease in host.state.networks.leases() if (trouble := _of_lease(host, lease))] + host.network.troubles()


def _of_lease(host: Host, lease: Lease) -> str:
    """Whether somebody has it. Whoever is at work on the container holds its lock, and is left alone."""
    name, remedy = lease.container[:12], "and has a lease; open the engine anew, which gives it back"
    with host.state.locks.try_hold(lease.container) as free:
        if not free or lease not in host.state.networks.leases():
            return ""
        try:
            status = host.state.containers.get(lease.container).status
        except ContainerNotFound:
            return f"container {name} is gone {remedy}"
    return "" if status in LIVE else f"container {name} is {status} {remedy}"
