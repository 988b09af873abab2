"""InspectContainer: all that is known of one container, under the keys of the original service.

A key whose feature is not built yet has its zero value, which is the truth: CreateContainer refuses to set it.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from podlink.engine.containers.lifecycle import LIVE
from podlink.engine.containers.list import Summary, get_container
from podlink.engine.containers.logs import FILE
from podlink.engine.containers.modes import dependencies
from podlink.engine.containers.users import resolve_user
from podlink.engine.errors import EngineError
from podlink.engine.host import Host
from podlink.engine.oci.image.times import rfc3339
from podlink.engine.oci.spec.values import ContainerConfig, Device, DeviceValue
from podlink.engine.state.containers import Container, Status

NEVER = "0001-01-01T00:00:00Z"
"""The moment of what has not happened, as programs of the time write it."""
OCI_VERSION = "1.0.2"


def inspect_container(host: Host, name: str) -> dict[str, Any]:
    """The document, ready for JSON. Raises ContainerNotFound."""
    seen = get_container(host, name)
    container = seen.container
    return {
        "ID": container.id,
        "Created": rfc3339(container.created_at),
        "Path": next(iter(container.config.args), ""),
        "Args": list(container.config.args),
        "State": _state(container),
        "Image": container.image,
        "ImageName": container.image_name,
        "ResolvConfPath": _written(host, container, "resolv.conf"),
        "HostnamePath": _written(host, container, "hostname"),
        "HostsPath": _written(host, container, "hosts"),
        "StaticDir": str(host.directory(container.id)),
        "LogPath": str(host.directory(container.id) / FILE) if container.config.log_driver != "none" else "",
        "Name": container.name,
        "RestartCount": 0,
        "Driver": host.storage.name,
        "MountLabel": container.config.mount_label,
        "ProcessLabel": container.config.process_label,
        "AppArmorProfile": container.config.apparmor_profile,
        "ExecIDs": [],
        "GraphDriver": {"Name": host.storage.name, "Data": host.storage.place(container.id)},
        "SizeRw": seen.rw_size,
        "SizeRootFs": container.root_size + seen.rw_size,
        "Mounts": _mounts(seen),
        "Dependencies": dependencies(container.config),
        "NetworkSettings": _network(seen),
        "HostConfig": _host_config(host, container.config),
        "Config": _config(host, container),
    }


def _state(container: Container) -> dict[str, Any]:
    live = container.status in LIVE
    return {
        "OciVersion": OCI_VERSION,
        "Status": str(container.status),
        "Running": container.status is Status.RUNNING,
        "Paused": container.status is Status.PAUSED,
        "Restarting": False,
        "OOMKilled": container.oom_killed,
        "Dead": False,
        "Pid": container.pid if live else 0,
        "ExitCode": container.exit_code,
        "Error": container.unreadable or container.error,
        "StartedAt": rfc3339(container.started_at) if container.started_at else NEVER,
        "FinishedAt": NEVER if live or not container.finished_at else rfc3339(container.finished_at),
    }


def _mounts(seen: Summary) -> list[dict[str, Any]]:
    return [
        {"destination": each.destination, "type": each.type, "source": each.source, "options": list(each.options)}
        for each in seen.mounts
    ]


def _network(seen: Summary) -> dict[str, Any]:
    namespace = f"/proc/{seen.container.pid}/ns/net" if seen.container.status in LIVE else ""
    lease = seen.lease
    return {
        "Bridge": lease.network.bridge if lease else "",
        "SandboxID": "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": [
            {"hostPort": each.host_port, "containerPort": each.container_port, "protocol": each.protocol, "hostIP": each.host_ip}
            for each in seen.ports
        ],
        "SandboxKey": namespace,
        "SecondaryIPAddresses": [],
        "SecondaryIPv6Addresses": [],
        "EndpointID": "",
        "Gateway": lease.network.gateway if lease else "",
        "GlobalIPv6Addresses": [lease.address6] if lease else [],
        "GlobalIPv6PrefixLen": lease.network.prefix6 if lease else 0,
        "IPAddress": [lease.address] if lease else [],
        "IPPrefixLen": lease.network.prefix if lease else 0,
        "IPv6Gateway": lease.network.gateway6 if lease else "",
        "MacAddress": lease.mac if lease else "",
    }


def _log_config(config: ContainerConfig) -> dict[str, Any]:
    return {"Type": config.log_driver, "Config": {"max-size": str(config.log_limit)} if config.log_limit else {}}


def _host_config(host: Host, config: ContainerConfig) -> dict[str, Any]:
    resources = config.resources
    return {
        "ContainerIDFile": "",
        "LogConfig": _log_config(config),
        "NetworkMode": config.net_mode,
        "PortBindings": _bindings(config),
        "AutoRemove": config.rm,
        "CapAdd": list(config.cap_add),
        "CapDrop": list(config.cap_drop),
        "DNS": list(config.dns_servers),
        "DNSOptions": list(config.dns_options),
        "DNSSearch": list(config.dns_search),
        "ExtraHosts": list(config.hosts),
        "GroupAdd": list(config.group_add),
        "IpcMode": config.ipc_mode,
        "Cgroup": "",
        "OomScoreAdj": config.oom_score_adj,
        "PidMode": config.pid_mode,
        "Privileged": config.privileged,
        "PublishAllPorts": config.publish_all,
        "ReadonlyRootfs": config.readonly_rootfs,
        "SecurityOpt": list(config.security_opts),
        "UTSMode": config.uts_mode,
        "UsernsMode": config.userns_mode,
        "ShmSize": config.shm_size,
        "Runtime": host.runtime.name,
        "ConsoleSize": None,
        "CpuShares": resources.cpu_shares or None,
        "Memory": resources.memory,
        "NanoCpus": 0,
        "CgroupParent": config.cgroup_parent or host.config.cgroup_parent,
        "BlkioWeight": resources.blkio_weight or None,
        "BlkioWeightDevice": [each | {"leafWeight": 0} for each in _figures("weight", resources.blkio_weight_device)],
        "BlkioDeviceReadBps": _figures("rate", resources.device_read_bps),
        "BlkioDeviceWriteBps": _figures("rate", resources.device_write_bps),
        "BlkioDeviceReadIOps": _figures("rate", resources.device_read_iops),
        "BlkioDeviceWriteIOps": _figures("rate", resources.device_write_iops),
        "CpuPeriod": resources.cpu_period or None,
        "CpuQuota": resources.cpu_quota or None,
        "CpuRealtimePeriod": resources.cpu_rt_period or None,
        "CpuRealtimeRuntime": resources.cpu_rt_runtime or None,
        "CpuSetCpus": resources.cpuset_cpus,
        "CpuSetMems": resources.cpuset_mems,
        "Devices": [_device(each) for each in config.devices],
        "DiskQuota": 0,
        "KernelMemory": None,
        "MemoryReservation": resources.memory_reservation or None,
        "MemorySwap": resources.memory_swap or None,
        "MemorySwappiness": resources.memory_swappiness,
        "OomKillDisable": resources.disable_oomkiller or None,
        "PidsLimit": resources.pids_limit or None,
        "Ulimits": [f"{each.kind.removeprefix('RLIMIT_').lower()}={each.soft}:{each.hard}" for each in config.rlimits],
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
        "Tmpfs": [f"{each.destination}:{','.join(each.options)}" for each in config.tmpfs],
    }


def _bindings(config: ContainerConfig) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for port in config.ports:
        place = {"HostIp": port.host_ip, "HostPort": str(port.host_port or "")}
        found.setdefault(f"{port.container_port}/{port.protocol}", []).append(place)
    return found


def _written(host: Host, container: Container, name: str) -> str:
    """Where a file of names is, once a start has written it."""
    path = host.directory(container.id) / name
    return str(path) if path.exists() else ""


def _figures(figure: str, values: tuple[DeviceValue, ...]) -> list[dict[str, int]]:
    return [{"major": each.major, "minor": each.minor, figure: each.value} for each in values]


def _device(device: Device) -> dict[str, Any]:
    place = {"path": device.path, "type": device.type, "major": device.major, "minor": device.minor}
    return place | {"fileMode": device.mode, "uid": device.uid, "gid": device.gid}


def _config(host: Host, container: Container) -> dict[str, Any]:
    config = container.config
    return {
        "Hostname": config.hostname,
        "Domainname": "",
        "User": _user(host, container),
        "AttachStdin": config.interactive,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": config.tty,
        "OpenStdin": config.interactive,
        "StdinOnce": False,
        "Env": list(config.env),
        "Cmd": list(config.args),
        "Image": container.image_name,
        "Volumes": {each.destination: {} for each in config.volumes},
        "WorkingDir": config.cwd,
        "Entrypoint": " ".join(config.entrypoint),
        "Labels": dict(config.labels),
        "Annotations": {},
        "StopSignal": config.stop_signal,
    }


def _user(host: Host, container: Container) -> dict[str, Any]:
    """Numbers where they are known: by the image's passwd while it is mounted, else as far as the text itself says."""
    merged = host.storage.place(container.id).get("MergedDir")
    if merged and container.status in LIVE:
        with suppress(EngineError, OSError):
            user = resolve_user(Path(merged), container.config.user)
            return {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.additional_gids)}
    name, _, group = container.config.user.partition(":")
    return {"uid": int(name) if name.isdecimal() else 0, "gid": int(group) if group.isdecimal() else 0, "additionalGids": []}
