"""The handlers of Ping, GetVersion and GetInfo, and of the methods that the interface documents as not implemented."""

from typing import Any

from podlink.api.podman.convert import go_uptime
from podlink.api.varlink.check import Struct
from podlink.api.varlink.service import Call, VarlinkError
from podlink.engine.host import Host
from podlink.engine.system.info import info, version

Parameters = dict[str, Any]


def ping(host: Host, call: Call, args: Struct) -> Parameters:
    return {"ping": {"message": "OK"}}


def get_version(host: Host, call: Call, args: Struct) -> Parameters:
    found = version()
    return {
        "version": {
            "version": found.version,
            "go_version": found.python,
            "git_commit": found.commit,
            "built": found.built,
            "os_arch": found.os_arch,
        }
    }


def get_info(host: Host, call: Call, args: Struct) -> Parameters:
    found = info(host)
    return {
        "info": {
            "host": {
                "mem_free": found.memory_free,
                "mem_total": found.memory_total,
                "swap_free": found.swap_free,
                "swap_total": found.swap_total,
                "arch": found.architecture,
                "cpus": found.cpus,
                "hostname": found.hostname,
                "kernel": found.kernel,
                "os": found.system,
                "uptime": go_uptime(found.uptime),
            },
            "registries": list(found.registries),
            "insecure_registries": list(found.insecure_registries),
            "store": {
                "containers": found.containers,
                "images": found.images,
                "graph_driver_name": found.driver,
                "graph_driver_options": "",
                "graph_root": str(found.root),
                "graph_status": found.driver_status,
                "run_root": str(found.runroot),
            },
            "podman": {
                "compiler": found.version.python,
                "go_version": found.version.python,
                "podman_version": found.version.version,
                "git_commit": found.version.commit,
            },
        }
    }


INSTEAD = {
    "AttachToContainer": "GetAttachSockets gives the paths of the container's sockets",
    "BuildImage": "build with a tool of your choice and bring the result in with ImportImage",
    "CreateImage": "ImportImage makes an image of a root file system",
    "RenameContainer": "create the container anew under its other name",
    "ResizeContainerTty": "write to the control socket that GetAttachSockets gives",
    "UpdateContainer": "create the container anew with other limits",
}
"""The methods without arguments, which the interface documents as not implemented, and where to turn instead."""


def not_implemented(host: Host, call: Call, args: Struct) -> Parameters:
    """The standard error, which also carries the value that the interface documents."""
    method = call.method.rpartition(".")[2]
    comment = f"{method} is not implemented: {INSTEAD[method]}"
    raise VarlinkError("org.varlink.service.MethodNotImplemented", {"method": method, "notimplemented": {"comment": comment}})


HANDLERS = {"Ping": ping, "GetVersion": get_version, "GetInfo": get_info} | dict.fromkeys(INSTEAD, not_implemented)
