"""`linux.namespaces`: what the container has for itself. runtime-spec, config-linux.md, "Namespaces"; namespaces(7).

    pid       its processes are numbered from 1 and see no others
    ipc       its System V and POSIX queues, semaphores and shared memory
    uts       its host name
    mount     its tree of mounts, with its own root
    network   its interfaces, addresses, routes and ports
    cgroup    its control group looks like the root of them all

A namespace that is not listed is shared with the engine. `user` is one of those: root inside is root outside, less the
capabilities that were taken away.
"""

ALWAYS = ("pid", "ipc", "uts", "mount")


def namespaces(network: str, cgroup_version: int) -> list[dict[str, str]]:
    """The list for a network that is `private`, `host`, or the path of a namespace to join.

    Version 1 shows a container its own hierarchies by bind mounts, without a namespace: podman's default too.
    """
    listed = [{"type": kind} for kind in ALWAYS] + _network(network)
    return [*listed, {"type": "cgroup"}] if cgroup_version == 2 else listed


def _network(network: str) -> list[dict[str, str]]:
    if network == "host":
        return []
    if network == "private":
        return [{"type": "network"}]
    if not network.startswith("/"):
        raise ValueError(f"network {network!r} is neither private, nor host, nor the absolute path of a namespace")
    return [{"type": "network", "path": network}]
