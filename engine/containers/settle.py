"""From what was asked and what the image says to what the container is: pure, and done once, at creation."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from podlink.engine.containers.found import Found
from podlink.engine.containers.logging import Logging
from podlink.engine.containers.modes import check_sysctls
from podlink.engine.containers.networking import Networking
from podlink.engine.containers.request import CreateRequest
from podlink.engine.containers.security import Confinement
from podlink.engine.errors import InvalidRequest
from podlink.engine.ids import NAME
from podlink.engine.linux import signals
from podlink.engine.oci.spec.values import ContainerConfig

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STOP_TIMEOUT = 10
"""Seconds between the stop signal and SIGKILL where nobody says otherwise."""
SHM_SIZE = 64 * 2**20
"""Bytes of /dev/shm."""
CONFINEMENT, NETWORKING, LOGGING = (tuple(each.name for each in fields(kind)) for kind in (Confinement, Networking, Logging))
"""The settings that have their names from there."""
HOSTNAME_MAX = 64
"""sethostname(2): longer names are refused by the kernel."""


def settle(
    request: CreateRequest, image: Mapping[str, Any], container: str, host_name: str, found: Found | None = None
) -> ContainerConfig:
    """The container's settings. image: the `config` object of the OCI image configuration; host_name: for net_mode host.

    found: what the request names on the host; None where it names nothing.

    Raises InvalidRequest, naming the field, for what makes no sense, and NotHonoured for what is not built.
    """
    check_name(request.name)
    found = found or Found()
    mode = found.networking.net_mode
    hostname = _hostname(request.hostname) or (host_name if "host" in (mode, found.uts_mode) else container[:12])
    if request.hostname and found.uts_mode != "private":
        raise InvalidRequest(f"hostname: with uts_mode {request.uts_mode} the name belongs to somebody else; drop one of the two")
    entrypoint, command = _entrypoint(request, image), _command(request, image)
    if not entrypoint and not command:
        raise InvalidRequest("command: neither the request nor the image says what to run")
    config = ContainerConfig(
        args=_text("command", (*entrypoint, *command)),
        env=environment(image.get("Env") or (), request.env, hostname),
        cwd=_directory(request.work_dir or image.get("WorkingDir") or "/"),
        user=request.user or image.get("User") or "",
        hostname=hostname,
        readonly_rootfs=request.readonly_rootfs,
        cap_add=tuple(request.cap_add),
        cap_drop=tuple(request.cap_drop),
        privileged=request.privileged,
        resources=found.resources,
        stop_signal=_stop_signal(request.stop_signal, image.get("StopSignal") or ""),
        stop_timeout=_natural("stop_timeout", request.stop_timeout) or STOP_TIMEOUT,
        rm=request.rm,
        detach=request.detach,
        quiet=request.quiet,
        tty=request.tty,
        interactive=request.interactive,
        labels={**(image.get("Labels") or {}), **request.labels},
        entrypoint=entrypoint,
        command=command,
        **_of_the_host(request, found),
    )
    check_sysctls(config)
    return config


def _of_the_host(request: CreateRequest, found: Found) -> dict[str, Any]:
    """The settings that stand for something on the host."""
    return {
        **{name: getattr(found.confinement, name) for name in CONFINEMENT},
        **{name: getattr(found.networking, name) for name in NETWORKING},
        **{name: getattr(found.logging, name) for name in LOGGING},
        "group_add": tuple(request.group_add),
        "rlimits": found.rlimits,
        "oom_score_adj": found.oom_score_adj,
        "security_opts": tuple(request.security_opts),
        "pid_mode": found.pid_mode,
        "ipc_mode": found.ipc_mode,
        "uts_mode": found.uts_mode,
        "volumes": found.volumes,
        "tmpfs": found.tmpfs,
        "devices": found.devices,
        "userns_mode": found.userns_mode,
        "uid_map": found.uid_map,
        "gid_map": found.gid_map,
        "conmon_pidfile": _pid_file(request.conmon_pidfile),
        "sysctls": dict(request.sys_ctl),
        "shm_size": _natural("resources.shm_size", request.resources.shm_size) or SHM_SIZE,
        "cgroup_parent": _cgroup(request.cgroup_parent),
    }


def _cgroup(path: str) -> str:
    """The path below the root of each hierarchy, without slashes around it."""
    parts = [part for part in path.split("/") if part]
    if {".", ".."} & set(parts) or re.search("[\0\n\ud800-\udfff]", path) or (path and not parts):
        raise InvalidRequest(f"cgroup_parent: {path!r} is not the path of a cgroup")
    return "/".join(parts)


def _pid_file(path: str) -> str:
    """A path that a file can have."""
    if path and (not path.startswith("/") or "\0" in path or Path(path).is_dir() or not Path(path).parent.is_dir()):
        raise InvalidRequest(f"conmon_pidfile: {path!r} is to be an absolute path of a file in a folder that is there")
    return path


def check_name(name: str) -> None:
    """Raise InvalidRequest for a name that is neither empty nor of the form that names have."""
    if name and not NAME.fullmatch(name):
        raise InvalidRequest(f"name: {name!r} does not match {NAME.pattern}")


def environment(image: Sequence[str], asked: Mapping[str, str], hostname: str) -> tuple[str, ...]:
    """`NAME=value` for init: what every container has, then the image's, then the request's; the last one wins."""
    merged = {"PATH": PATH, "TERM": "xterm", "HOSTNAME": hostname, "container": "podman"}
    merged.update(entry.partition("=")[::2] for entry in image if entry.partition("=")[0])
    for name, value in asked.items():
        if not name or "=" in name or "\0" in name + value:
            raise InvalidRequest(f"env: {name!r} is no name of a variable, or its value holds a NUL")
        merged[name] = value
    return tuple(f"{name}={value}" for name, value in merged.items())


def _entrypoint(request: CreateRequest, image: Mapping[str, Any]) -> tuple[str, ...]:
    """The request's, else the image's; the request clears the image's with a single empty word."""
    if tuple(request.entrypoint) == ("",):
        return ()
    return tuple(request.entrypoint or image.get("Entrypoint") or ())


def _command(request: CreateRequest, image: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(request.command or image.get("Cmd") or ())


def _text(field: str, words: tuple[str, ...]) -> tuple[str, ...]:
    if not words[0]:
        raise InvalidRequest(f"{field}: its first word is empty, and that is the program to run")
    if any("\0" in word for word in words):
        raise InvalidRequest(f"{field}: a word holds a NUL, which no argument of a program can")
    return words


def _directory(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise InvalidRequest(f"work_dir: {path!r} is not an absolute path")
    return path


def _hostname(name: str) -> str:
    if len(name) > HOSTNAME_MAX or not re.fullmatch(r"[A-Za-z0-9._-]*", name):
        raise InvalidRequest(f"hostname: {name!r} is not a host name of at most {HOSTNAME_MAX} letters, digits, dots and hyphens")
    return name


def _natural(field: str, value: int) -> int:
    if value < 0:
        raise InvalidRequest(f"{field}: {value} is negative")
    return value


def _stop_signal(asked: int, image: str) -> int:
    """The request's number, else the image's (`SIGQUIT`, `QUIT` or `3`), else SIGTERM."""
    if asked:
        return check_signal("stop_signal", asked)
    if not image:
        return signals.NUMBERS["TERM"]
    if image.isdecimal():
        return check_signal("the image's StopSignal", int(image))
    word = image.upper().removeprefix("SIG")
    if found := re.fullmatch(r"RTMIN(?:\+(\d+))?|RTMAX(?:-(\d+))?", word):
        base = signals.RTMIN + int(found[1] or 0) if word.startswith("RTMIN") else signals.RTMAX - int(found[2] or 0)
        return check_signal("the image's StopSignal", base)
    if number := signals.named(word):
        return number
    raise InvalidRequest(f"the image's StopSignal: {image!r} is not the name of a signal; say stop_signal")


def check_signal(field: str, number: int) -> int:
    """The number of a signal, 1 to 64 (signal(7)); InvalidRequest otherwise."""
    if not 1 <= number <= signals.RTMAX:
        raise InvalidRequest(f"{field}: {number} is not a signal; they are numbered 1 to 64")
    return number
