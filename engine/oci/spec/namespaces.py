"""`linux.namespaces`: what the container has for itself. runtime-spec, config-linux.md, "Namespaces"; namespaces(7).

    pid       its processes are numbered from 1 and see no others
    ipc       its System V and POSIX queues, semaphores and shared memory
    uts       its host name
    mount     its tree of mounts, with its own root
    network   its interfaces, addresses, routes and ports
    user      root inside is nobody in particular outside
    cgroup    its control group looks like the root of them all

Each is `private` (a new one), `host` (not listed: shared with the engine) or the path of one to join. Where there is no `user`
among them, root inside is root outside, less the capabilities that were taken away.
"""

from podlink.engine.oci.spec.values import Placement


def namespaces(placement: Placement, cgroup_version: int, *, user: bool = False) -> list[dict[str, str]]:
    """The list. Raises ValueError for what is neither private, nor host, nor an absolute path.

    Version 1 shows a container its own hierarchies by bind mounts, without a namespace: podman's default too.
    """
    listed = _one("pid", placement.pid) + _one("ipc", placement.ipc) + _one("uts", placement.uts)
    listed += _one("mount", "private") + _one("network", placement.network)
    if user:
        listed += _one("user", placement.user_namespace)
    return [*listed, {"type": "cgroup"}] if cgroup_version == 2 else listed


def _one(kind: str, mode: str) -> list[dict[str, str]]:
    if mode == "host":
        return []
    if mode == "private":
        return [{"type": kind}]
    if not mode.startswith("/"):
        raise ValueError(f"{kind} {mode!r} is neither private, nor host, nor the absolute path of a namespace")
    return [{"type": kind, "path": mode}]
