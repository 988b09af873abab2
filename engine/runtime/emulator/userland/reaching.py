"""Commands that would reach others: nc ping wget. Packets go nowhere here, so they find nobody, in busybox's words."""

import re
from urllib.parse import urlsplit

from podlink.engine.runtime.emulator import users
from podlink.engine.runtime.emulator.process import Process
from podlink.engine.runtime.emulator.userland.command import complain, options

ADDRESS = re.compile(r"\d+(\.\d+){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*")


def wget(process: Process) -> int:
    """wget [OPTION]… URL"""
    found, words = options(process, "cqS", "OoPUTYt")
    if not words:
        process.write(2, "Usage: wget [-cqS] [-O FILE] [-T SEC] URL...\n")
        return 1
    text = words[0] if "://" in words[0] else f"http://{words[0]}"
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https", "ftp"):
        return complain(process, f"not an http or ftp url: {words[0]}")
    host = parts.hostname or ""
    address = _address(process, host)
    if not address:
        return complain(process, f"bad address '{host}'")
    port = parts.port or {"https": 443, "ftp": 21}.get(parts.scheme, 80)
    if "q" not in found:
        process.write(2, f"Connecting to {host} ({address}:{port})\n")
    return complain(process, f"can't connect to remote host ({address}): Connection refused")


def nc(process: Process) -> int:
    """nc [-w SECONDS] HOST PORT; `nc -l -p PORT` waits for somebody, who never comes."""
    found, words = options(process, "lnuv", "iwpfe")
    while "l" in found:
        process.pause()
    if len(words) < 2:
        process.write(2, "Usage: nc [-iN] [-wN] [-l] [-p PORT] [-f FILE|IPADDR PORT] [-e PROG]\n")
        return 1
    address = _address(process, words[0])
    if not address:
        return complain(process, f"bad address '{words[0]}'")
    return complain(process, f"can't connect to remote host ({address}): Connection refused")


def ping(process: Process) -> int:
    """ping [-c COUNT] HOST: nobody answers."""
    found, words = options(process, "46q", "cswWIit")
    address = _address(process, words[0]) if words else ""
    if not address:
        return complain(process, f"bad address '{words[0] if words else ''}'")
    number = found.get("c", "1")
    process.write(1, f"PING {words[0]} ({address}): 56 data bytes\n\n--- {words[0]} ping statistics ---\n")
    process.write(1, f"{number} packets transmitted, 0 packets received, 100% packet loss\n")
    return 1


def _address(process: Process, host: str) -> str:
    """As /etc/hosts has it; there is no other source of names."""
    if ADDRESS.fullmatch(host):
        return host
    return next(iter(process.call(lambda: users.addresses_of(process.tree, host))), "")
