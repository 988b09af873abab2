"""Whose namespaces a container has: `pid_mode`, `ipc_mode`, `uts_mode`, `userns_mode`, each

    private           its own (nothing said means this)
    host              the host's
    container:NAME    that of another container, which must run when this one starts
    ns:PATH           one that somebody made: a file of /proc/PID/ns, or a bind mount of it

namespaces(7). A name is turned into an ID at creation: names can be given away, the container that was meant can't.
"""

import re
from pathlib import Path

from podlink.engine.containers.lifecycle import LIVE, truth
from podlink.engine.errors import ContainerNotFound, InvalidRequest, InvalidState, NotHonoured
from podlink.engine.host import Host
from podlink.engine.oci.spec.values import ContainerConfig
from podlink.engine.runtime.joined import misnamed

SYSCTLS = {
    "ipc_mode": re.compile(r"kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\.[a-z_]+"),
    "uts_mode": re.compile(r"kernel\.(domainname)"),
    "net_mode": re.compile(r"net\.[A-Za-z0-9_./-]+"),
}
"""The settings that a namespace has for itself, by the field that says whose it is."""


def settle_mode(host: Host, field: str, text: str) -> str:
    """As it is kept: `private`, `host`, `container:ID` or `ns:PATH`. Raises InvalidRequest, naming the field."""
    kind, _, which = text.partition(":")
    if text in ("", "private", "host"):
        return text or "private"
    if kind == "container" and which:
        try:
            return f"container:{host.state.containers.find(which).id}"
        except ContainerNotFound:
            raise InvalidRequest(f"{field}: there is no container {which!r}") from None
    if kind == "ns" and which.startswith("/"):
        try:
            Path(which).stat()
        except OSError as error:
            missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
            reason = "is not there" if missing else f"can't be had ({(error.strerror or '').lower()})"
            raise InvalidRequest(f"{field}: {which} {reason}; it is to be a file of /proc/PID/ns or a mount of one") from None
        if why := misnamed(field, which):
            raise InvalidRequest(why)
        return text
    usual = "bridge, none, host" if field == "net_mode" else "private, host"
    raise InvalidRequest(f"{field}: {text!r} is none of {usual}, container:NAME and ns:PATH")


def namespace(host: Host, field: str, mode: str, kind: str) -> str:
    """What a start joins: `private`, `host`, or a path. kind: as /proc/PID/ns has it. Raises InvalidState where nobody runs."""
    word, _, which = mode.partition(":")
    if word == "container":
        return f"/proc/{init_of(host, field, which)}/ns/{kind}"
    return which if word == "ns" else mode


def init_of(host: Host, field: str, container: str) -> int:
    """The PID of the container that another one shares a namespace with."""
    try:
        row = truth(host, host.state.containers.get(container))
    except ContainerNotFound:
        raise InvalidState(f"{field}: container {container[:12]}, whose namespace this one shares, is gone") from None
    if row.status not in LIVE:
        raise InvalidState(f"{field}: container {row.name}, whose namespace this one shares, is {row.status}; start it first")
    return row.pid


def joined(mode: str) -> str:
    """The ID of the container that a mode speaks of, or nothing."""
    word, _, which = mode.partition(":")
    return which if word == "container" else ""


def dependencies(config: ContainerConfig) -> list[str]:
    """The IDs of the containers whose namespaces this one shares."""
    return list(dict.fromkeys(which for mode in config.modes() if (which := joined(mode))))


def check_sysctls(config: ContainerConfig) -> None:
    """Raise InvalidRequest for a kernel setting that none of its own namespaces has, NotHonoured for one it may not set."""
    for name in config.sysctls:
        field = next((field for field, known in SYSCTLS.items() if known.fullmatch(name)), None)
        if field is None:
            raise InvalidRequest(f"sys_ctl: {name} belongs to no namespace, so it would be set for the whole host")
        if config.uid_map and field == "uts_mode":
            raise NotHonoured(
                "sys_ctl", f"the kernel lets only root of the host set {name}, and the container has users of its own"
            )
        mode: str = getattr(config, field)
        if mode == "host":
            raise InvalidRequest(f"sys_ctl: {name} would be set for the whole host, whose namespace the container has ({field})")
