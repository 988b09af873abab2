"""Which proxy a URL is fetched by, as the environment has it.

    HTTP_PROXY   HTTPS_PROXY        by the URL's scheme; lower case too, which wins
    NO_PROXY=localhost,.corp.example,10.0.0.0/8,reg.example:5000

An entry of NO_PROXY is a host (and all below it), `.host` (only what is below it), an address, a network, each perhaps with a
port, or `*`. The machine itself is never asked for by proxy. These are the rules of Go's programs, which share these variables.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, environment: Mapping[str, str]) -> str | None:
    """The proxy's URL; None to go straight."""
    parts = urlsplit(url)
    host, port = (parts.hostname or "").lower(), parts.port or PORTS.get(parts.scheme, 0)
    proxy = _variable(f"{parts.scheme}_proxy", environment)
    if not proxy or _is_loopback(host) or any(_excepts(entry, host, port) for entry in _exceptions(environment)):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(name: str, environment: Mapping[str, str]) -> str:
    return environment.get(name) or environment.get(name.upper()) or ""


def _exceptions(environment: Mapping[str, str]) -> list[str]:
    return [entry.strip().lower() for entry in _variable("no_proxy", environment).split(",") if entry.strip()]


def _excepts(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return _is_within(host, entry)
    name, _, wanted = entry.rpartition(":") if entry.rpartition(":")[2].isdecimal() and entry.count(":") == 1 else (entry, "", "")
    if wanted and int(wanted) != port:
        return False
    if name.startswith((".", "*.")):
        return host.endswith(name.removeprefix("*"))
    return host == name.strip("[]") or host.endswith(f".{name}")


def _is_within(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
