"""`podlink network`: networks that containers may name, and the rules of all of them set anew."""

import argparse
import sys

from podlink.api.cli.configuration import configuration
from podlink.engine.app import Engine
from podlink.engine.errors import EngineError, InvalidRequest
from podlink.engine.handles import Networks


def network(chosen: argparse.Namespace) -> int:
    """Do what was chosen on the root's own state, beside a service that may have it open; the exit status of the command."""
    try:
        config = configuration(chosen)
        if chosen.deed != "create" and not config.root.is_dir():
            raise InvalidRequest(f"{config.root} is not there, so it has no networks; say --root with that of the service")
        with Engine.open(config) as engine:
            return DEEDS[chosen.deed](engine.networks, chosen)
    except (EngineError, OSError, ValueError) as error:
        print(f"podlink: {error}", file=sys.stderr)
        return 1


def _create(networks: Networks, chosen: argparse.Namespace) -> int:
    print(networks.create(chosen.name, chosen.range, chosen.range6).name)
    return 0


def _list(networks: Networks, chosen: argparse.Namespace) -> int:
    for each in networks.list():
        print(each.name, each.bridge, each.subnet, each.subnet6, sep="\t")
    return 0


def _inspect(networks: Networks, chosen: argparse.Namespace) -> int:
    found, leases = networks.inspect(chosen.name)
    print(found.name, found.bridge, found.subnet, found.subnet6, sep="\t")
    for lease in leases:
        print(lease.container, lease.address, lease.address6, *lease.ports, sep="\t")
    return 0


def _remove(networks: Networks, chosen: argparse.Namespace) -> int:
    networks.remove(chosen.name)
    return 0


def _reload(networks: Networks, chosen: argparse.Namespace) -> int:
    networks.reload()
    return 0


def _check(networks: Networks, chosen: argparse.Namespace) -> int:
    """Exits with 1 where state and host differ."""
    troubles = networks.troubles()
    print(*troubles, sep="\n", end="\n" if troubles else "")
    return 1 if troubles else 0


DEEDS = {"create": _create, "list": _list, "inspect": _inspect, "remove": _remove, "reload": _reload, "check": _check}
