"""InspectContainer: all that is known of one container, under the keys of the original service.

A key whose feature is not built yet has its zero value, which is the truth: CreateContainer refuses to set it.
"""

from contextlib import suppress
from pathlib import Path

from podlink.engine.containers.inspected import (
    InspectedBinding,
    InspectedConfig,
    InspectedContainer,
    InspectedHostConfig,
    InspectedLog,
    InspectedMount,
    InspectedNetwork,
    InspectedRate,
    InspectedResources,
    InspectedState,
    InspectedUser,
    InspectedWeight,
)
from podlink.engine.containers.lifecycle import LIVE
from podlink.engine.containers.limits import PERIOD
from podlink.engine.containers.list import Summary, get_container
from podlink.engine.containers.logs import log_file
from podlink.engine.containers.modes import dependencies
from podlink.engine.containers.users import in_storage, resolve_groups, resolve_user
from podlink.engine.errors import EngineError
from podlink.engine.host import Host
from podlink.engine.oci.image.times import rfc3339
from podlink.engine.oci.spec.build import annotations
from podlink.engine.oci.spec.devices import node
from podlink.engine.oci.spec.values import ContainerConfig, DeviceValue, User
from podlink.engine.state.values import Container, Status

NEVER = "0001-01-01T00:00:00Z"
"""The moment of what has not happened, as programs of the time write it."""
OCI_VERSION = "1.0.2"


def inspect_container(host: Host, name: str) -> InspectedContainer:
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
        "ResolvConfPath": _bound(seen, "/etc/resolv.conf"),
        "HostnamePath": _bound(seen, "/etc/hostname"),
        "HostsPath": _bound(seen, "/etc/hosts"),
        "StaticDir": str(host.directory(container.id)),
        "LogPath": str(log_file(host, container) or ""),
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
        "HostConfig": _host_config(host, container),
        "Config": _config(host, container),
    }


def _state(container: Container) -> InspectedState:
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


def _mounts(seen: Summary) -> list[InspectedMount]:
    return [
        {"destination": each.destination, "type": each.type, "source": each.source, "options": list(each.options)}
        for each in seen.mounts
    ]


def _network(seen: Summary) -> InspectedNetwork:
    namespace = f"/proc/{seen.container.pid}/ns/net" if seen.container.status in LIVE else ""
    lease = seen.lease
    return {
        "Bridge": lease.network.bridge if lease else "",
        "SandboxID": "",
        "HairpinMode": lease is not None,
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
        "GlobalIPv6Addresses": [lease.address6] if lease and lease.ipv6 else [],
        "GlobalIPv6PrefixLen": lease.network.prefix6 if lease and lease.ipv6 else 0,
        "IPAddress": [lease.address] if lease else [],
        "IPPrefixLen": lease.network.prefix if lease else 0,
        "IPv6Gateway": lease.network.gateway6 if lease and lease.ipv6 else "",
        "MacAddress": lease.mac if lease else "",
    }


def _log_config(config: ContainerConfig) -> InspectedLog:
    options = {"max-size": str(config.log_limit), "max-file": str(config.log_files)} if config.log_limit else {}
    more = {"path": config.log_path, "tag": config.log_tag}
    return {"Type": config.log_driver, "Config": options | {name: value for name, value in more.items() if value}}


def _host_config(host: Host, container: Container) -> InspectedHostConfig:
    config = container.config
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
        "GroupAdd": _groups(host, container),
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
        **_resources(host, config),
        "Tmpfs": [f"{each.destination}:{','.join(each.options)}" for each in config.tmpfs],
    }


def _resources(host: Host, config: ContainerConfig) -> InspectedResources:
    resources = config.resources
    return {
        "CpuShares": resources.cpu_shares or None,
        "Memory": resources.memory,
        "NanoCpus": resources.cpu_quota * 10**9 // (resources.cpu_period or PERIOD) if resources.cpu_quota > 0 else 0,
        "CgroupParent": config.cgroup_parent or host.config.cgroup_parent,
        "BlkioWeight": resources.blkio_weight or None,
        "BlkioWeightDevice": [_weight(each) for each in resources.blkio_weight_device],
        "BlkioDeviceReadBps": _rates(resources.device_read_bps),
        "BlkioDeviceWriteBps": _rates(resources.device_write_bps),
        "BlkioDeviceReadIOps": _rates(resources.device_read_iops),
        "BlkioDeviceWriteIOps": _rates(resources.device_write_iops),
        "CpuPeriod": resources.cpu_period or None,
        "CpuQuota": resources.cpu_quota or None,
        "CpuRealtimePeriod": resources.cpu_rt_period or None,
        "CpuRealtimeRuntime": resources.cpu_rt_runtime or None,
        "CpuSetCpus": resources.cpuset_cpus,
        "CpuSetMems": resources.cpuset_mems,
        "Devices": [node(each) for each in config.devices],
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
    }


def _bindings(config: ContainerConfig) -> dict[str, list[InspectedBinding]]:
    found: dict[str, list[InspectedBinding]] = {}
    for port in config.ports:
        place: InspectedBinding = {"HostIp": port.host_ip, "HostPort": str(port.host_port or "")}
        found.setdefault(f"{port.container_port}/{port.protocol}", []).append(place)
    return found


def _bound(seen: Summary, place: str) -> str:
    """Which file of the host is to be seen there, once a start has written it."""
    source = next((each.source for each in seen.mounts if each.destination == place), "")
    return source if source and Path(source).exists() else ""


def _weight(share: DeviceValue) -> InspectedWeight:
    return {"major": share.major, "minor": share.minor, "weight": share.value, "leafWeight": 0}


def _rates(limits: tuple[DeviceValue, ...]) -> list[InspectedRate]:
    return [{"major": each.major, "minor": each.minor, "rate": each.value} for each in limits]


def _config(host: Host, container: Container) -> InspectedConfig:
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
        "Annotations": annotations(config),
        "StopSignal": config.stop_signal,
    }


def _user(host: Host, container: Container) -> InspectedUser:
    """Whom the run was given; where none is under way, whom the next one would be. Numbers alone, where the text has them, for a
    name that the image does not know.
    """
    config = container.config
    given = host.runtime.given(container.id) if container.status in LIVE else None
    name, _, group = config.user.partition(":")
    user = User(uid=int(name) if name.isdecimal() else 0, gid=int(group) if group.isdecimal() else 0)
    with suppress(EngineError, OSError):
        user = given.user if given else resolve_user(in_storage(host, container.id), config.user, config.group_add)
    return {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.additional_gids)}


def _groups(host: Host, container: Container) -> list[int]:
    names = container.config.group_add
    try:
        return resolve_groups(in_storage(host, container.id), names) if names else []
    except (EngineError, OSError):
        return [int(name) for name in names if name.isdecimal()]
