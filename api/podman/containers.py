"""The handlers of the container methods."""

from collections.abc import Callable, Generator
from typing import Any

from podlink.api.podman.convert import compact, go_duration, go_time
from podlink.api.varlink.check import Struct
from podlink.api.varlink.frame import Batches
from podlink.api.varlink.service import Call, Later
from podlink.engine.containers.attach import attach_sockets
from podlink.engine.containers.changes import list_changes
from podlink.engine.containers.commit import commit
from podlink.engine.containers.create import create
from podlink.engine.containers.export import export
from podlink.engine.containers.inspect import inspect_container
from podlink.engine.containers.kill import kill
from podlink.engine.containers.lifecycle import LIVE
from podlink.engine.containers.list import Summary, get_container, list_containers
from podlink.engine.containers.logs import follow, logs
from podlink.engine.containers.pause import pause, unpause
from podlink.engine.containers.remove import delete_stopped, remove
from podlink.engine.containers.request import CreateRequest, IDMap, IDMappingOptions, ResourceRequest
from podlink.engine.containers.start import start
from podlink.engine.containers.stats import stats
from podlink.engine.containers.stop import restart, stop
from podlink.engine.containers.top import processes
from podlink.engine.containers.wait import when_ended
from podlink.engine.host import Host
from podlink.engine.oci.spec.values import Port
from podlink.engine.state.values import Status
from podlink.engine.storage.changes import Kind

Parameters = dict[str, Any]
Stream = Generator[Parameters, None, Parameters]


def create_container(host: Host, call: Call, args: Struct) -> Parameters:
    return {"container": create(host, create_request(args["create"]))}


def create_request(sent: Struct) -> CreateRequest:
    """The `Create` argument as the engine's value: what was not sent stays at the engine's zero value."""
    values: Parameters = dict(sent)
    if "resources" in sent:
        values["resources"] = ResourceRequest(**sent["resources"])
    if "id_mappings" in sent:
        mappings: Parameters = dict(sent["id_mappings"])
        values["id_mappings"] = IDMappingOptions(
            **mappings | {k: IDMap(**mappings[k]) for k in ("uid_map", "gid_map") if k in mappings}
        )
    return CreateRequest(**values)


def start_container(host: Host, call: Call, args: Struct) -> Parameters:
    return {"container": start(host, args["name"])}


def get_attach_sockets(host: Host, call: Call, args: Struct) -> Parameters:
    container, sockets = attach_sockets(host, args["name"])
    return {"sockets": {"container_id": container, "io_socket": sockets.io, "control_socket": sockets.control}}


def stop_container(host: Host, call: Call, args: Struct) -> Parameters:
    return {"container": stop(host, args["name"], args.get("timeout"))}


def restart_container(host: Host, call: Call, args: Struct) -> Parameters:
    return {"container": restart(host, args["name"], args.get("timeout"))}


def kill_container(host: Host, call: Call, args: Struct) -> Parameters:
    return {"container": kill(host, args["name"], args.get("signal", -1))}


def pause_container(host: Host, call: Call, args: Struct) -> Parameters:
    return {"container": pause(host, args["name"])}


def unpause_container(host: Host, call: Call, args: Struct) -> Parameters:
    return {"container": unpause(host, args["name"])}


def wait_container(host: Host, call: Call, args: Struct) -> Later:
    """Thousands may wait, and none of them has a thread."""

    def begin(deliver: Callable[[Parameters | Exception], None]) -> Callable[[], None]:
        return when_ended(host, args["name"], lambda end: deliver({"exitcode": end} if isinstance(end, int) else end))

    return Later(begin)


def remove_container(host: Host, call: Call, args: Struct) -> Parameters:
    return {"container": remove(host, args["name"], args["force"])}


def delete_stopped_containers(host: Host, call: Call, args: Struct) -> Parameters:
    return {"containers": delete_stopped(host)}


def list_all(host: Host, call: Call, args: Struct) -> Parameters:
    return {"containers": [list_data(host, each) for each in list_containers(host)]}


def get_one(host: Host, call: Call, args: Struct) -> Parameters:
    return {"container": list_data(host, get_container(host, args["name"]))}


def list_data(host: Host, seen: Summary) -> Parameters:
    """The `ListContainerData` type."""
    container = seen.container
    live = container.status in LIVE
    return {
        "id": container.id,
        "image": container.image_name,
        "imageid": container.image,
        "command": list(container.config.args),
        "createdat": go_time(container.created_at),
        "runningfor": go_duration(host.clock.now() - container.created_at),
        "status": str(container.status),
        "ports": [port_data(each) for each in seen.ports],
        "rootfssize": container.root_size + seen.rw_size,
        "rwsize": seen.rw_size,
        "names": container.name,
        "labels": dict(container.config.labels),
        "mounts": [
            {"destination": each.destination, "type": each.type, "source": each.source, "options": list(each.options)}
            for each in seen.mounts
        ],
        "containerrunning": container.status is Status.RUNNING,
        "namespaces": {
            **{name: seen.namespaces.get(name, "") for name in ("user", "uts", "cgroup", "net", "mnt", "ipc")},
            "pidns": seen.namespaces.get("pid", ""),
            "pid": str(container.pid if live else 0),
        },
    }


def port_data(port: Port) -> Parameters:
    """The `ContainerPortMappings` type: numbers as text."""
    host = "" if port.host_port == 0 else str(port.host_port)
    return {"host_port": host, "host_ip": port.host_ip, "protocol": port.protocol, "container_port": str(port.container_port)}


def inspect_one(host: Host, call: Call, args: Struct) -> Parameters:
    return {"container": compact(inspect_container(host, args["name"]))}


def list_container_changes(host: Host, call: Call, args: Struct) -> Parameters:
    """The `ContainerChanges` type."""
    found = list_changes(host, args["name"])
    return {"container": {kind.value: [change.path for change in found if change.kind is kind] for kind in Kind}}


def export_container(host: Host, call: Call, args: Struct) -> Parameters:
    return {"tarfile": export(host, args["name"], args["path"], call.cancelled)}


def commit_container(host: Host, call: Call, args: Struct) -> Parameters:
    texts = args["changes"], args["author"], args["message"]
    return {"image": commit(host, args["name"], args["image_name"], *texts, args["pause"], call.cancelled)}


def get_logs(host: Host, call: Call, args: Struct) -> Parameters | Stream:
    """Every line in one reply, which is written as the log is read; with `more`, batches as they come until the run ends."""
    return _follow(host, call, args["name"]) if call.more else {"container": Batches(logs(host, args["name"]))}


def _follow(host: Host, call: Call, name: str) -> Stream:
    for batch in follow(host, name, call.cancelled):
        yield {"container": batch}
    return {"container": []}


def list_processes(host: Host, call: Call, args: Struct) -> Parameters:
    return {"container": processes(host, args["name"], args["opts"])}


def get_stats(host: Host, call: Call, args: Struct) -> Parameters:
    """The `ContainerStats` type."""
    figures = stats(host, args["name"])
    sample = figures.sample
    return {
        "container": {
            "id": figures.id,
            "name": figures.name,
            "cpu": figures.cpu,
            "cpu_nano": sample.cpu_nano,
            "system_nano": sample.system_nano,
            "mem_usage": sample.mem_usage,
            "mem_limit": sample.mem_limit,
            "mem_perc": figures.memory,
            "net_input": sample.net_input,
            "net_output": sample.net_output,
            "block_output": sample.block_output,
            "block_input": sample.block_input,
            "pids": sample.pids,
        }
    }


HANDLERS: dict[str, Callable[[Host, Call, Struct], Parameters | Stream | Later]] = {
    "Commit": commit_container,
    "ExportContainer": export_container,
    "ListContainerChanges": list_container_changes,
    "CreateContainer": create_container,
    "StartContainer": start_container,
    "StopContainer": stop_container,
    "RestartContainer": restart_container,
    "KillContainer": kill_container,
    "PauseContainer": pause_container,
    "UnpauseContainer": unpause_container,
    "WaitContainer": wait_container,
    "RemoveContainer": remove_container,
    "DeleteStoppedContainers": delete_stopped_containers,
    "ListContainers": list_all,
    "GetContainer": get_one,
    "InspectContainer": inspect_one,
    "GetContainerLogs": get_logs,
    "ListContainerProcesses": list_processes,
    "GetContainerStats": get_stats,
    "GetAttachSockets": get_attach_sockets,
}
