"""`linux.devices`: device nodes to make in /dev. runtime-spec, config-linux.md, "Devices" and "Default Devices".

The runtime itself makes those that every program expects; a privileged container gets the host's others too, any other one those
that were asked for.
"""

from collections.abc import Iterable
from typing import TypedDict

from podlink.engine.oci.spec.values import ContainerConfig, Device


class DeviceNode(TypedDict):
    """An element of `linux.devices`. fileMode: permission bits."""

    path: str
    type: str
    major: int
    minor: int
    fileMode: int
    uid: int
    gid: int


DEFAULT = frozenset(
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/console"],
)
"""Made by every runtime."""


def made(config: ContainerConfig, found: Iterable[Device]) -> list[DeviceNode]:
    """The nodes that the runtime is to make. In a user namespace nobody may make one: the host's are bound there, by the runtime
    where the path is the same, else by a mount of ours (mounts.py).
    """
    return devices(device for device in found if not (config.uid_map and device.source))


def devices(found: Iterable[Device]) -> list[DeviceNode]:
    """The list for these device nodes; of two for one path the later."""
    by_path = {device.path: device for device in found if device.path not in DEFAULT}
    return [node(device) for device in by_path.values()]


def node(device: Device) -> DeviceNode:
    """The device as the specification, and Inspect, tell it."""
    return {
        "path": device.path,
        "type": device.type,
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.mode,
        "uid": device.uid,
        "gid": device.gid,
    }
