"""What CreateContainer is asked about the network, and what StartContainer asks of `host.network` for it.

net_mode    network      becomes
(nothing)   (nothing)    bridge, on the default network
bridge      NAME         bridge, on the network NAME; so does `NAME` in either field alone
none, host               loopback alone; the host's own
container:NAME           that of another container, which must run when this one starts
ns:PATH                  one that somebody made
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podlink.engine.containers.modes import namespace, settle_mode
from podlink.engine.containers.reconcile import conclude_one
from podlink.engine.containers.request import CreateRequest
from podlink.engine.errors import InvalidRequest, NetworkFailed
from podlink.engine.host import Host
from podlink.engine.network.driver import Wish
from podlink.engine.network.ports import MOST, clash, clashes, parse_exposed, parse_published, versions
from podlink.engine.network.wires import DEFAULT
from podlink.engine.oci.spec.values import ContainerConfig, Port
from podlink.engine.state.values import Container

WORD = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Networking:
    """As ContainerConfig has them."""

    net_mode: str = "bridge"
    network: str = DEFAULT
    ports: tuple[Port, ...] = ()
    publish_all: bool = False
    dns_servers: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


def settle_networking(host: Host, request: CreateRequest, image: Mapping[str, Any]) -> Networking:
    """Raises InvalidRequest, naming the field."""
    mode, network = _mode(host, request)
    ports = _ports(host, request, image)
    if ports and mode != "bridge":
        field = "publish" if request.publish else "publish_all"
        raise InvalidRequest(
            f"{field}: with net_mode {request.net_mode or mode} there is no network of its own to publish; drop one"
        )
    if mode.startswith("container:"):
        _refuse_names(request)
    return Networking(
        net_mode=mode,
        network=network,
        ports=tuple(ports),
        publish_all=request.publish_all,
        dns_servers=tuple(_address("dns_servers", each) for each in request.dns_servers),
        dns_search=tuple(_word("dns_search", each) for each in request.dns_search),
        dns_options=tuple(_word("dns_opt", each.replace(":", "")) and each for each in request.dns_opt),
        hosts=tuple(_extra(each) for each in request.host_add),
    )


def wish(host: Host, config: ContainerConfig) -> Wish:
    """What a start asks for. Raises InvalidState where the container whose network is shared does not run, NetworkFailed where
    even loopback could not be set up: runc does that, and would only say that it is not permitted."""
    if config.net_mode in ("none", "private") and not config.uid_map and "CAP_NET_ADMIN" not in host.facts.capabilities:
        raise NetworkFailed(
            f"net_mode {config.net_mode}: a network of its own can't be set up, loopback neither; the engine needs CAP_NET_ADMIN,"
            f" or say net_mode host"
        )
    if config.net_mode in ("bridge", "none", "host", "private"):
        userns = namespace(host, "userns_mode", config.userns_mode, "user")
        return Wish(mode=config.net_mode, network=config.network, ports=config.ports, users=config.id_maps(), userns=userns)
    return Wish(mode=namespace(host, "net_mode", config.net_mode, "net"))


def settle_rivals(host: Host, container: Container) -> None:
    """Fold in the end of those whose published ports this container is to have: one may have ended a moment ago by itself,
    and its clean-up be still on its way. The caller holds no container's lock."""
    ports = container.config.ports
    for lease in host.state.networks.publishing(ports) if ports else ():
        if lease.container != container.id and any(clashes(ports, lease.ports)):
            conclude_one(host, lease.container)


def _refuse_names(request: CreateRequest) -> None:
    """Who shares another container's network is told of names and servers by that one's files."""
    for field in ("host_add", "dns_servers", "dns_search", "dns_opt"):
        if getattr(request, field):
            raise InvalidRequest(f"{field}: with net_mode {request.net_mode or request.network} it is that container's; drop one")


def _mode(host: Host, request: CreateRequest) -> tuple[str, str]:
    mode, network = request.net_mode, request.network
    words = ("bridge", "none", "host", "default")
    if network in words or network.startswith(("container:", "ns:")):
        if mode and mode != network:
            raise InvalidRequest(f"network: {network!r} differs from net_mode {mode!r}; leave it out or make them equal")
        mode, network = network, ""
    if mode in ("", "bridge", "default"):
        return "bridge", _known(host, "network", network) if network else DEFAULT
    if network and network != mode:
        raise InvalidRequest(f"network: {network!r} goes with net_mode bridge, and net_mode is {mode!r}; drop one of the two")
    if mode in ("none", "host"):
        return mode, ""
    if mode.startswith(("container:", "ns:")):
        return settle_mode(host, "net_mode", mode), ""
    return "bridge", _known(host, "net_mode", mode, "is none of bridge, none, host, container:NAME and ns:PATH, and ")


def _known(host: Host, field: str, name: str, otherwise: str = "") -> str:
    """The network of this name. otherwise: what else the field might have meant, and is not."""
    names = [each.name for each in host.state.networks.all()]
    if name != DEFAULT and name not in names:
        known = ", ".join(sorted({*names, DEFAULT}))
        said = f"{name!r} {otherwise}" if otherwise else ""
        raise InvalidRequest(f"{field}: {said}there is no network {name!r}; there are {known}")
    return name


def _ports(host: Host, request: CreateRequest, image: Mapping[str, Any]) -> list[Port]:
    """Those that were asked for, and with `publish_all` a free one for each that is exposed and not among them."""
    published = [port for text in request.publish for port in parse_published(text)]
    exposed = [port for text in request.exposed_ports for port in parse_exposed(text)]
    if request.publish_all:
        exposed += [port for text in image.get("ExposedPorts") or {} for port in parse_exposed(text, "the image's ExposedPorts")]
        known = {(port.container_port, port.protocol) for port in published}
        published += [port for port in dict.fromkeys(exposed) if (port.container_port, port.protocol) not in known]
    _refuse_too_many(host, "publish" if request.publish else "publish_all", published)
    _refuse_twice(published)
    return published


def _refuse_too_many(host: Host, field: str, ports: Sequence[Port]) -> None:
    if len(ports) > MOST:
        raise InvalidRequest(f"{field}: that is {len(ports)} ports, and a container may publish {MOST}; publish fewer")
    needed = sum(len(versions(port)) for port in ports)
    files = next((each.hard for each in host.facts.rlimits if each.kind == "RLIMIT_NOFILE"), needed)
    if needed > files:
        raise InvalidRequest(
            f"{field}: that is {len(ports)} ports, which take {needed} open files, and this process may open {files}"
            f" (RLIMIT_NOFILE); publish fewer, or raise that"
        )


def _refuse_twice(ports: Iterable[Port]) -> None:
    seen: dict[tuple[int, str], list[Port]] = {}
    for port in ports:
        rivals = seen.setdefault((port.host_port, port.protocol), [])
        if any(clash(port, other) for other in rivals):
            raise InvalidRequest(f"publish: port {port} is asked for twice")
        rivals.append(port)


def _address(field: str, text: str) -> str:
    """An address, in IPv6 with a zone (RFC 4007) or without. `ipaddress` takes any text for a zone, lines of a file too."""
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidRequest(f"{field}: {text!r} is no address") from None
    _, zoned, zone = address.partition("%")
    if zoned and not WORD.fullmatch(zone):
        raise InvalidRequest(f"{field}: {text!r} is no address: behind % goes the name of an interface")
    return address


def _word(field: str, text: str) -> str:
    if not WORD.fullmatch(text):
        raise InvalidRequest(f"{field}: {text!r} is not made of letters, digits, dots, hyphens and underscores")
    return text


def _extra(text: str) -> str:
    name, colon, address = text.partition(":")
    if not colon:
        raise InvalidRequest(f"host_add: {text!r} is not NAME:ADDRESS")
    return f"{_word('host_add', name)}:{_address('host_add', address.strip('[]'))}"
