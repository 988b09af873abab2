"""config.json from top to bottom: runtime-spec, config.md and config-linux.md.

ociVersion      of the specification, not of anybody's program
process         what runs, as whom, with which capabilities             process.py, capabilities.py
root            the mounted root file system
hostname        of the container's own UTS namespace
mounts          what the kernel shows inside: /proc, /dev, /sys, …      mounts.py
linux
  namespaces    what it has for itself: processes, network, names, …    namespaces.py
  cgroupsPath   the control group that counts and limits it
  resources     the limits, and which devices may be opened             resources.py
  devices       device nodes beyond the few that every container has    devices.py
  sysctl        kernel settings of its own namespaces
  seccomp       which system calls are answered                         seccomp.py
  maskedPaths   what the kernel would tell of the host                  mounts.py
  readonlyPaths what the kernel would let change on the host            mounts.py
"""

import json
from typing import Any

from podlink.engine.oci.spec.capabilities import resolve
from podlink.engine.oci.spec.devices import made
from podlink.engine.oci.spec.mounts import Mount, masked_paths, mounts, propagation, readonly_paths
from podlink.engine.oci.spec.namespaces import namespaces
from podlink.engine.oci.spec.process import process
from podlink.engine.oci.spec.resources import resources
from podlink.engine.oci.spec.seccomp import UNCONFINED, given, profile
from podlink.engine.oci.spec.values import ContainerConfig, HostFacts, IDRange, Placement

VERSION = "1.0.2"
INTERFACE = "io.projectatomic.podman"
"""Whose fields the annotations are named after."""
SHORT = 12
"""Digits of an ID that people use as a name."""


def build(config: ContainerConfig, placement: Placement, host: HostFacts) -> dict[str, Any]:
    """The whole document, ready for json.dumps."""
    granted = resolve(config.cap_add, config.cap_drop, config.privileged, host.capabilities)
    return {
        "ociVersion": VERSION,
        "process": process(config, placement.user, granted),
        "root": {"path": str(placement.rootfs), "readonly": config.readonly_rootfs},
        **({"hostname": config.hostname or placement.container[:SHORT]} if placement.uts == "private" else {}),
        "mounts": [mount.document() for mount in _mounts(config, placement, host)],
        "linux": {
            "namespaces": namespaces(placement, host.cgroup_version, user=bool(config.uid_map)),
            "cgroupsPath": placement.cgroup,
            "resources": resources(config),
            **_when_asked(config),
            **(_open(config, host) if config.privileged else _confined(config, host, granted.bounding)),
        },
        **({"annotations": noted} if (noted := annotations(config)) else {}),
    }


def annotations(config: ContainerConfig) -> dict[str, str]:
    """How its creator meant to use it, which changes nothing of what it is: config.md, "Annotations"."""
    wishes = {"detach": config.detach, "quiet": config.quiet}
    return {f"{INTERFACE}.{name}": "true" for name, asked in wishes.items() if asked}


def _mounts(config: ContainerConfig, placement: Placement, host: HostFacts) -> list[Mount]:
    return mounts(config, host.cgroup_version, placement.shared_memory, placement.mark, placement.files)


def _when_asked(config: ContainerConfig) -> dict[str, Any]:
    """What a container has only where it was asked for."""
    found: dict[str, Any] = {
        "sysctl": dict(config.sysctls),
        "uidMappings": _mappings(config.uid_map),
        "gidMappings": _mappings(config.gid_map),
        "rootfsPropagation": propagation(config),
        "mountLabel": config.mount_label,
    }
    return {name: value for name, value in found.items() if value}


def _mappings(ranges: tuple[IDRange, ...]) -> list[dict[str, int]]:
    return [{"containerID": each.inside, "hostID": each.outside, "size": each.size} for each in ranges]


def _open(config: ContainerConfig, host: HostFacts) -> dict[str, Any]:
    """A privileged container sees the host's devices, and nothing is masked or filtered: root on the host in all but name."""
    return {"devices": made(config, (*host.devices, *config.devices))}


def _confined(config: ContainerConfig, host: HostFacts, held: tuple[str, ...]) -> dict[str, Any]:
    """Every other one is shown less than the kernel would show, and may call less than the kernel would answer."""
    parts: dict[str, Any] = {
        "devices": made(config, config.devices),
        "seccomp": _filter(config, host, held),
        "maskedPaths": masked_paths(config),
        "readonlyPaths": readonly_paths(config, host.cgroup_version),
    }
    return {name: value for name, value in parts.items() if value}


def _filter(config: ContainerConfig, host: HostFacts, held: tuple[str, ...]) -> dict[str, Any]:
    if config.seccomp == UNCONFINED or not host.seccomp:
        return {}
    return given(json.loads(config.seccomp), host.architecture, held) if config.seccomp else profile(host.architecture, held)
