"""The kernel's settings that a network needs: sysctl(8), and ip-sysctl.rst of the kernel.

All of them are of the network namespace of the thread that looks. Those of the host as a whole stay as they are set here, and
that is said; those of a bridge go with it.
"""

import logging
from contextlib import suppress
from pathlib import Path

from podlink.engine import trace
from podlink.engine.errors import NetworkFailed

log = logging.getLogger(__name__)

SYSCTL = Path("/proc/sys/net")
HOST = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
"""What is set for all of the host."""


def has_ipv6() -> bool:
    """Whether a device that is made now gets IPv6: ip-sysctl.rst of the kernel, disable_ipv6."""
    places = [SYSCTL / "ipv6/conf" / each / "disable_ipv6" for each in ("all", "default")]
    return all(place.exists() and place.read_text().strip() == "0" for place in places)


def wanted(bridge: str) -> dict[str, str]:
    """What each setting has to be for the network of a bridge, by the file's name.

    The host passes packets on, those of this bridge too, and takes those from 127.0.0.1 there. It believes no container that says
    to be a router (RFC 4861, 6.1.2): with CAP_NET_RAW, if it was given that, it could lead all that the host sends to itself.
    """
    four = {"ipv4/ip_forward": "1", f"ipv4/conf/{bridge}/forwarding": "1", f"ipv4/conf/{bridge}/route_localnet": "1"}
    six = {f"ipv6/conf/{bridge}/disable_ipv6": "0", f"ipv6/conf/{bridge}/accept_ra": "0", "ipv6/conf/all/forwarding": "1"}
    return four | six if has_ipv6() else four


def have(bridge: str) -> None:
    """Set what is not as it is wanted. Raises NetworkFailed."""
    for name, value in wanted(bridge).items():
        if _value(name) != value:
            if name == "ipv6/conf/all/forwarding":
                _keep_listening()
            change(name, value)
            if name in HOST:
                log.warning("%s was off and is on now: this host passes packets on between its networks", _shown(name))


def _keep_listening() -> None:
    """A router ignores advertisements unless told not to: who listened to them is to listen on."""
    for each in (SYSCTL / "ipv6/conf").iterdir():
        with suppress(OSError):  # a device that went meanwhile
            if (each / "accept_ra").read_text().strip() == "1":
                (each / "accept_ra").write_text("2")


def amiss(bridge: str) -> list[str]:
    """What `have` has set and somebody has changed, as `net.ipv4.ip_forward is 0 and has to be 1`."""
    found = {name: (_value(name), value) for name, value in wanted(bridge).items()}
    return [f"{_shown(name)} is {is_} and has to be {value}" for name, (is_, value) in found.items() if is_ not in ("", value)]


def _value(name: str) -> str:
    """Empty where there is none: no such device, no such protocol."""
    try:
        return (SYSCTL / name).read_text().strip()
    except OSError:
        return ""


def change(name: str, value: str) -> None:
    """Raises NetworkFailed where it can't be set."""
    try:
        (SYSCTL / name).write_text(value)
    except OSError as error:
        raise NetworkFailed(f"{_shown(name)} can't be set to {value}: {(error.strerror or '').lower()}") from error
    trace.ran("sysctl", "-w", f"{_shown(name)}={value}")


def _shown(name: str) -> str:
    """As sysctl(8) calls it."""
    return f"net.{name.replace('/', '.')}"
