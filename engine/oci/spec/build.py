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
  seccomp       which system calls are answered                         seccomp.py
  maskedPaths   what the kernel would tell of the host                  mounts.py
  readonlyPaths what the kernel would let change on the host            mounts.py
"""

from typing import Any

from podlink.engine.oci.spec.capabilities import resolve
from podlink.engine.oci.spec.devices import devices
from podlink.engine.oci.spec.mounts import MASKED, mounts, readonly_paths
from podlink.engine.oci.spec.namespaces import namespaces
from podlink.engine.oci.spec.process import process
from podlink.engine.oci.spec.resources import resources
from podlink.engine.oci.spec.seccomp import profile
from podlink.engine.oci.spec.values import ContainerConfig, HostFacts, Placement

VERSION = "1.0.2"
SHORT = 12
"""Digits of an ID that people use as a name."""


def build(config: ContainerConfig, placement: Placement, host: HostFacts) -> dict[str, Any]:
    """The whole document, ready for json.dumps."""
    granted = resolve(config.cap_add, config.cap_drop, config.privileged, host.capabilities)
    return {
        "ociVersion": VERSION,
        "process": process(config, placement.user, granted),
        "root": {"path": str(placement.rootfs), "readonly": config.readonly_rootfs},
        "hostname": config.hostname or placement.container[:SHORT],
        "mounts": [mount.document() for mount in mounts(config, host.cgroup_version)],
        "linux": {
            "namespaces": namespaces(placement.network, host.cgroup_version),
            "cgroupsPath": placement.cgroup,
            "resources": resources(config.resources, config.privileged),
            **(_open(host) if config.privileged else _confined(host, granted.bounding)),
        },
    }


def _open(host: HostFacts) -> dict[str, Any]:
    """A privileged container sees the host's devices, and nothing is masked or filtered: root on the host in all but name."""
    return {"devices": devices(host.devices)}


def _confined(host: HostFacts, held: tuple[str, ...]) -> dict[str, Any]:
    """Every other one is shown less than the kernel would show, and may call less than the kernel would answer."""
    shown = {"maskedPaths": list(MASKED), "readonlyPaths": readonly_paths(host.cgroup_version)}
    return {"seccomp": profile(host.architecture, held), **shown} if host.seccomp else shown
