"""`/run/.containerenv`, by which programs see that they run in a container.

Empty, but for privileged containers, which may know who they are: as podman makes it. It is a file of the container's directory,
written anew at each start and bound inside.
"""

import os
from pathlib import Path

import podlink
from podlink.engine.host import Host
from podlink.engine.state.values import Container


def place_of_mark(host: Host, container: Container) -> Path:
    """Where the file is, once there was a start."""
    return host.directory(container.id) / "containerenv"


def write_mark(host: Host, container: Container) -> Path:
    """Write the file, and answer where. It belongs to the container's root."""
    path = place_of_mark(host, container)
    path.write_text(_text(container))
    path.chmod(0o644)
    if maps := container.config.id_maps():
        _give(path, *maps.root())
    return path


def _text(container: Container) -> str:
    if not container.config.privileged:
        return ""
    values = {
        "engine": f"podlink-{podlink.__version__}",
        "name": container.name,
        "id": container.id,
        "image": container.image_name,
        "imageid": container.image,
        "rootless": "0",
    }
    return "".join(f'{name}="{value}"\n' if name != "rootless" else f"{name}={value}\n" for name, value in values.items())


def _give(path: Path, uid: int, gid: int) -> None:
    if os.geteuid() == 0:
        os.chown(path, uid, gid)
