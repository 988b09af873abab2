"""The ground of a real host: namespaces below the run directory, devices by netlink, rules by nft(8).

    runroot/netns/ID     the namespace of a container, a bind mount of nsfs: it is there before the container's init and after

nft is run as a process: 5 ms for a container's ports, none for a container without. It is atomic: a script is one transaction.
"""

import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from podlink.engine import trace
from podlink.engine.errors import NetworkFailed
from podlink.engine.linux import mounts
from podlink.engine.network import holding, links, rules
from podlink.engine.network.driver import Held
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.networks import Lease, Network

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class KernelGround:
    """owner: whose bridges are ours, told by their alias."""

    def __init__(self, runroot: Path, table: str, owner: str) -> None:
        self._folder = runroot / "netns"
        self._table, self._owner = table, owner

    def ranges_in_use(self) -> list[str]:
        return links.ranges_in_use()

    def hold(self, port: Port) -> tuple[Port, Sequence[Held]]:
        return holding.hold(port, links.has_ipv6())

    def is_up(self, network: Network) -> bool:
        with links.netlink() as route:
            link = links.find(route, network.bridge)
            return link is not None and link.get_attr("IFLA_IFALIAS") == self._owner

    def raise_network(self, network: Network) -> bool:
        nft = self._nft()
        if self.is_up(network):
            return True
        if not links.raise_bridge(network, self._owner):
            return False
        try:
            links.forward(network.bridge)
            self._change(rules.network_rules(self._table, network), nft)
        except BaseException:
            links.remove_link(network.bridge, self._owner)
            raise
        return True

    def lower_network(self, network: Network) -> None:
        if self._has_rules(network):
            self._change(rules.removed_network(self._table, network))
            self._drop_table_if_empty()
        links.remove_link(network.bridge, self._owner)

    def rules(self, network: Network, leases: Sequence[Lease]) -> None:
        links.forward(network.bridge)
        self._change(rules.network_rules(self._table, network, leases))

    def connect(self, lease: Lease) -> str:
        place = self._folder / lease.container
        links.connect(lease, place)
        if lease.ports:
            self._change(rules.added(self._table, lease))
        return str(place)

    def disconnect(self, container: str, lease: Lease | None) -> None:
        if lease and lease.ports:
            with suppress(NetworkFailed):  # never added, or flushed by somebody: each is then tried by itself
                self._change(rules.dropped(self._table, lease))
                lease = None
            for line in rules.dropped(self._table, lease).splitlines() if lease else ():
                with suppress(NetworkFailed):
                    self._change(line + "\n")
        links.remove_link(links.host_side(container))
        place = self._folder / container
        mounts.unmount(place)
        place.unlink(missing_ok=True)

    def known(self) -> list[str]:
        return sorted(path.name for path in self._folder.iterdir()) if self._folder.is_dir() else []

    def troubles(self, networks: Sequence[Network], leases: Sequence[Lease]) -> list[str]:
        found = []
        used = {lease.network.name for lease in leases}
        for network in networks:
            if network.name in used and not self.is_up(network):
                found.append(f"network {network.name} is in use and its bridge {network.bridge} is gone; stop its containers")
            elif network.name in used and not self._has_rules(network):
                found.append(f"network {network.name} has lost its rules; run podlink network reload")
        with links.netlink() as route:
            for lease in leases:
                if links.find(route, links.host_side(lease.container)) is None:
                    found.append(f"container {lease.container[:12]} has a lease and no device; stop it")
        held = {lease.container for lease in leases}
        return found + [f"container {each[:12]} has a namespace and no lease" for each in self.known() if each not in held]

    def _nft(self) -> str:
        if found := shutil.which("nft", path=SEARCH_PATH):
            return found
        raise NetworkFailed(f"nft was not found in {SEARCH_PATH}; install it: apt install nftables, or say net_mode none or host")

    def _change(self, script: str, nft: str = "") -> None:
        done = self._run(nft or self._nft(), "-f", "-", script=script)
        if done.returncode != 0:
            raise NetworkFailed(
                f"nft refused the rules: {done.stderr.strip().splitlines()[0] if done.stderr.strip() else 'no word'}"
            )
        for line in script.splitlines():
            trace.ran("nft", line.strip())

    def _has_rules(self, network: Network) -> bool:
        if not shutil.which("nft", path=SEARCH_PATH):
            return False
        listed = self._run(self._nft(), "list", "chain", "inet", self._table, f"{network.bridge}-out")
        return listed.returncode == 0 and "masquerade" in listed.stdout

    def _drop_table_if_empty(self) -> None:
        listed = self._run(self._nft(), "list", "table", "inet", self._table)
        if "chain" not in listed.stdout:
            with suppress(NetworkFailed):  # another root's network came in between
                self._change(f"delete table inet {self._table}\n")

    def _run(self, *argv: str, script: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            argv, input=script, capture_output=True, text=True, cwd="/", env={"PATH": SEARCH_PATH, "LC_ALL": "C"}
        )
