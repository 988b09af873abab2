"""The ground of a real host: namespaces below the run directory, devices by netlink, rules by nft(8).

    runroot/netns/ID     the namespace of a container, a bind mount of nsfs: it is there before the container's init and after
    runroot/userns/ID    the user namespace that owns it, of a container that has user IDs of its own

nft is run as a process: 5 ms for a container's ports, none for a container without. It is atomic: a script is one transaction.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

from podlink.engine import trace
from podlink.engine.errors import NetworkFailed
from podlink.engine.linux import mounts
from podlink.engine.linux import userns as namespaces
from podlink.engine.linux.programs import SEARCH_PATH
from podlink.engine.network import conntrack, doctor, holding, links, rules, settings
from podlink.engine.network.driver import Held
from podlink.engine.network.generation import generation
from podlink.engine.network.netlink import Netlink
from podlink.engine.network.rules import Seen
from podlink.engine.oci.spec.values import IDMaps, Port
from podlink.engine.state.values import Lease, Network


class KernelGround:
    """owner: whose bridges are ours, told by their mark."""

    def __init__(self, runroot: Path, table: str, owner: str) -> None:
        self._folder, self._users = runroot / "netns", runroot / "userns"
        self._table, self._owner = table, owner
        self._whole: dict[str, int] = {}
        """In which generation of the host's rules those of a bridge were seen to be whole."""

    def ranges_in_use(self) -> list[str]:
        return links.ranges_in_use()

    def hold(self, port: Port) -> tuple[Port, Sequence[Held]]:
        try:
            ipv6 = settings.has_ipv6()
        except OSError as error:  # no descriptor is left
            raise holding.refusal(port, error) from error
        return holding.hold(port, ipv6)

    def has_ipv6(self) -> bool:
        return settings.has_ipv6()

    def is_up(self, network: Network) -> bool:
        with Netlink() as kernel:
            link = links.find(kernel, network.bridge)
            return link is not None and links.is_of(link, self._owner)

    def raise_network(self, network: Network, leases: Callable[[], Sequence[Lease]]) -> bool:
        nft = self._nft()
        raised = links.raise_bridge(network, self._owner)
        if not raised:
            return False
        self._complete(network, leases, nft)
        if raised == "made":
            self._reconnect(network, leases())
        return True

    def _complete(self, network: Network, leases: Callable[[], Sequence[Lease]], nft: str) -> None:
        """Set the rules anew where any is missing. While nobody has changed a rule of the host, none is."""
        now = generation()
        if now and self._whole.get(network.bridge) == now:
            return
        with _alone():
            if rules.lacking(network, self._seen("--terse")):
                self._change(rules.network_rules(self._table, network, leases()), nft)
            else:
                self._whole[network.bridge] = now

    def lower_network(self, network: Network) -> None:
        self._whole.pop(network.bridge, None)
        with _alone():
            if rules.left_of(network, self._seen("--terse")):
                self._change(rules.removed_network(self._table, network))
                if self._seen("--terse") == Seen():
                    self._change(f"delete table inet {self._table}\n")
        links.remove_link(network.bridge, self._owner)

    def rules(self, network: Network, leases: Sequence[Lease]) -> None:
        if not links.raise_bridge(network, self._owner, anew=True):
            raise NetworkFailed(
                f"network {network.name}: its bridge {network.bridge} is somebody else's now; stop its containers, or remove that"
            )
        with _alone():
            self._change(rules.network_rules(self._table, network, leases))
        self._reconnect(network, leases)

    def _reconnect(self, network: Network, leases: Sequence[Lease]) -> None:
        """Have whole what of these containers is amiss. One without a namespace is not there yet, or no longer."""
        there = [lease for lease in leases if links.is_namespace(self._folder / lease.container)]
        devices = links.devices(self._owner) if there else {}
        for lease in there:
            if links.amiss(devices.get(links.host_side(lease.container)), lease, devices[network.bridge]):
                links.connect(lease, self._folder / lease.container)

    def user_namespace(self, container: str, users: IDMaps) -> str:
        place = self._users / container
        if not links.is_namespace(place):
            namespaces.pin([astuple(each) for each in users.uids], [astuple(each) for each in users.gids], place)
        return str(place)

    def connect(self, lease: Lease, userns: str = "") -> str:
        place = self._folder / lease.container
        links.connect(lease, place, userns)
        if lease.ports:
            self._change(rules.added(self._table, lease))
            conntrack.forget(lease)
        return str(place)

    def disconnect(self, container: str, lease: Lease | None) -> None:
        if lease and lease.ports:
            self._drop_ports(lease)
            conntrack.forget(lease)
        links.remove_link(links.host_side(container))
        for place in (self._folder / container, self._users / container):
            if place.exists():
                mounts.unmount(place)
                place.unlink()

    def _drop_ports(self, lease: Lease) -> None:
        try:
            self._change(rules.dropped(self._table, lease))
        except NetworkFailed:  # some were never added, or somebody flushed them
            if left := rules.dropped(self._table, lease, self._seen()):
                self._change(left)

    def known(self) -> list[str]:
        return sorted({path.name for folder in (self._folder, self._users) if folder.is_dir() for path in folder.iterdir()})

    def troubles(self, networks: Sequence[Network], leases: Sequence[Lease]) -> list[str]:
        known = self.known()
        with Netlink() as kernel:
            mtu = links.uplink_mtu(kernel)
        found = doctor.Found(
            table=self._table,
            owner=self._owner,
            mtu=mtu,
            devices=links.devices(self._owner),
            seen=self._seen(),
            ipv6=settings.has_ipv6(),
            amiss={network.bridge: settings.amiss(network.bridge) for network in networks},
            namespaces=known,
            mounted=[each for each in known if links.is_namespace(self._folder / each)],
        )
        return list(doctor.troubles(networks, leases, found))

    def _nft(self) -> str:
        if found := shutil.which("nft", path=SEARCH_PATH):
            return found
        raise NetworkFailed(f"nft was not found in {SEARCH_PATH}; install it: apt install nftables, or say net_mode none or host")

    def _change(self, script: str, nft: str = "") -> None:
        before = generation()
        done = self._run(nft or self._nft(), "-f", "-", script=script)
        if done.returncode != 0:
            raise NetworkFailed(
                f"nft refused the rules: {done.stderr.strip().splitlines()[0] if done.stderr.strip() else 'no word'};"
                f" podlink network check says where rules and containers differ"
            )
        trace.ran("nft", script.strip())
        if generation() == before + 1:  # this change, and nobody else's: what was whole is
            self._whole.update({bridge: before + 1 for bridge, seen in list(self._whole.items()) if seen == before})

    def _seen(self, *options: str) -> Seen:
        """What is in our table; nothing where there is none, or no nft. `--terse` leaves out the elements of maps."""
        if not shutil.which("nft", path=SEARCH_PATH):
            return Seen()
        listed = self._run(self._nft(), "--json", *options, "list", "table", "inet", self._table)
        return rules.seen(listed.stdout if listed.returncode == 0 else "")

    def _run(self, *argv: str, script: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            argv, input=script, capture_output=True, text=True, cwd="/", env={"PATH": SEARCH_PATH, "LC_ALL": "C"}
        )


@contextmanager
def _alone() -> Iterator[None]:
    """Keep every other engine of this network namespace from its tables, whichever root it has: flock(2) on the namespace itself.

    A table is deleted with all that is in it. Between the look that finds it empty and the deletion, another root's network might
    come into it.
    """
    namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(namespace, fcntl.LOCK_EX)
        yield
    finally:
        os.close(namespace)
