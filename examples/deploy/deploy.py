"""Replace the running container by one of a newer image: `python deploy.py IMAGE`. PODMAN_VARLINK_ADDRESS says where."""

import os
import sys

from podlink.api.varlink.client import Client
from podlink.api.varlink.service import VarlinkError

PODMAN = "io.projectatomic.podman"


def deploy(client: Client, image: str) -> str:
    """The ID of the new container. The old one goes only once the new one runs."""
    new = client.call(f"{PODMAN}.CreateContainer", create={"image": image, "labels": {"app": "web"}})["container"]
    try:
        client.call(f"{PODMAN}.StartContainer", name=new)
    except VarlinkError:
        client.call(f"{PODMAN}.RemoveContainer", name=new, force=True)
        raise
    for each in client.call(f"{PODMAN}.ListContainers")["containers"]:
        if each["labels"].get("app") == "web" and each["id"] != new:
            client.call(f"{PODMAN}.StopContainer", name=each["id"], timeout=10)
            client.call(f"{PODMAN}.RemoveContainer", name=each["id"], force=False)
    return str(new)


if __name__ == "__main__":
    with Client.connect(os.environ["PODMAN_VARLINK_ADDRESS"]) as connected:
        print(deploy(connected, sys.argv[1]))
