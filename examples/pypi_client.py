"""The `varlink` library of PyPI as a client of podlink's service: it finds the methods by the interface's own description."""

import varlink  # type: ignore[import-untyped]

from podlink import Engine
from podlink.api import serve

with Engine.emulated() as engine, serve(engine) as address:
    engine.images.build_from({"/bin/app": "#!/bin/sh\necho ready"}, {"Cmd": ["/bin/app"]}, "app", userland=True)
    with varlink.Client(address) as client, client.open("io.projectatomic.podman") as podman:
        container = podman.CreateContainer(create={"image": "app"})["container"]
        podman.StartContainer(container)
        print("exit code:", podman.WaitContainer(container)["exitcode"])
        for reply in podman.GetContainerLogs(container, _more=True):
            for line in reply["container"]:
                print("log:", line.rstrip())
        try:
            podman.StartContainer("nobody")
        except varlink.VarlinkError as error:
            print("error:", error.error(), error.parameters())
