"""Networks as objects of their own: looking at one, and removing one that no container names any more."""

from podlink.engine.errors import NetworkFailed
from podlink.engine.host import Host
from podlink.engine.state.networks import Lease, Network


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
