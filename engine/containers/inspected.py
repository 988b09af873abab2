"""The types of what `inspect` tells of a container: keys and values as they are served, ready for JSON.

mypy holds `inspect.py` to them, and a test holds them to fixtures/inspect-container.json. Times are RFC 3339, sizes bytes. What
can be None is None where nobody asked for it.
"""

from typing import TypedDict

from podlink.engine.oci.spec.devices import DeviceNode


class InspectedState(TypedDict):
    """How it is, and how its last run ended."""

    OciVersion: str
    Status: str
    Running: bool
    Paused: bool
    Restarting: bool
    OOMKilled: bool
    Dead: bool
    Pid: int
    ExitCode: int
    Error: str
    StartedAt: str
    FinishedAt: str


class InspectedDriver(TypedDict):
    """Where its files are: the storage driver, and the driver's own words for the places."""

    Name: str
    Data: dict[str, str]


class InspectedMount(TypedDict):
    """One mount of its root file system."""

    destination: str
    type: str
    source: str
    options: list[str]


class InspectedPort(TypedDict):
    """A published port."""

    hostPort: int
    containerPort: int
    protocol: str
    hostIP: str


class InspectedNetwork(TypedDict):
    """Its place in the network while it runs; empty otherwise."""

    Bridge: str
    SandboxID: str
    HairpinMode: bool
    LinkLocalIPv6Address: str
    LinkLocalIPv6PrefixLen: int
    Ports: list[InspectedPort]
    SandboxKey: str
    SecondaryIPAddresses: list[str]
    SecondaryIPv6Addresses: list[str]
    EndpointID: str
    Gateway: str
    GlobalIPv6Addresses: list[str]
    GlobalIPv6PrefixLen: int
    IPAddress: list[str]
    IPPrefixLen: int
    IPv6Gateway: str
    MacAddress: str


class InspectedLog(TypedDict):
    """Who keeps its log, and how."""

    Type: str
    Config: dict[str, str]


class InspectedBinding(TypedDict):
    """Where on the host a port is published. HostPort: empty for any."""

    HostIp: str
    HostPort: str


class InspectedWeight(TypedDict):
    """The share of one device."""

    major: int
    minor: int
    weight: int
    leafWeight: int


class InspectedRate(TypedDict):
    """The limit of one device, in bytes or operations a second."""

    major: int
    minor: int
    rate: int


class InspectedConsole(TypedDict):
    """The size of a console."""

    height: int
    width: int


class InspectedResources(TypedDict):
    """How much it may use. What no limit was asked for is null, or zero."""

    CpuShares: int | None
    Memory: int
    NanoCpus: int
    CgroupParent: str
    BlkioWeight: int | None
    BlkioWeightDevice: list[InspectedWeight]
    BlkioDeviceReadBps: list[InspectedRate]
    BlkioDeviceWriteBps: list[InspectedRate]
    BlkioDeviceReadIOps: list[InspectedRate]
    BlkioDeviceWriteIOps: list[InspectedRate]
    CpuPeriod: int | None
    CpuQuota: int | None
    CpuRealtimePeriod: int | None
    CpuRealtimeRuntime: int | None
    CpuSetCpus: str
    CpuSetMems: str
    Devices: list[DeviceNode]
    DiskQuota: int
    KernelMemory: int | None
    MemoryReservation: int | None
    MemorySwap: int | None
    MemorySwappiness: int | None
    OomKillDisable: bool | None
    PidsLimit: int | None
    Ulimits: list[str]
    CpuCount: int
    CpuPercent: int
    IOMaximumIOps: int
    IOMaximumBandwidth: int


class InspectedHostConfig(InspectedResources):
    """What it was given of the host."""

    ContainerIDFile: str
    LogConfig: InspectedLog
    NetworkMode: str
    PortBindings: dict[str, list[InspectedBinding]]
    AutoRemove: bool
    CapAdd: list[str]
    CapDrop: list[str]
    DNS: list[str]
    DNSOptions: list[str]
    DNSSearch: list[str]
    ExtraHosts: list[str]
    GroupAdd: list[int]
    IpcMode: str
    Cgroup: str
    OomScoreAdj: int | None
    PidMode: str
    Privileged: bool
    PublishAllPorts: bool
    ReadonlyRootfs: bool
    SecurityOpt: list[str]
    UTSMode: str
    UsernsMode: str
    ShmSize: int
    Runtime: str
    ConsoleSize: InspectedConsole | None
    Tmpfs: list[str]


class InspectedUser(TypedDict):
    """Whom it runs as, by numbers."""

    uid: int
    gid: int
    additionalGids: list[int]


class InspectedVolume(TypedDict):
    """Nothing: a volume's key says all."""


class InspectedConfig(TypedDict):
    """What runs in it. Entrypoint: its words with a space between them. StopSignal: by number."""

    Hostname: str
    Domainname: str
    User: InspectedUser
    AttachStdin: bool
    AttachStdout: bool
    AttachStderr: bool
    Tty: bool
    OpenStdin: bool
    StdinOnce: bool
    Env: list[str]
    Cmd: list[str]
    Image: str
    Volumes: dict[str, InspectedVolume]
    WorkingDir: str
    Entrypoint: str
    Labels: dict[str, str]
    Annotations: dict[str, str]
    StopSignal: int


class InspectedContainer(TypedDict):
    """All that is known of a container. Image: the ID; ImageName: as it was asked for."""

    ID: str
    Created: str
    Path: str
    Args: list[str]
    State: InspectedState
    Image: str
    ImageName: str
    ResolvConfPath: str
    HostnamePath: str
    HostsPath: str
    StaticDir: str
    LogPath: str
    Name: str
    RestartCount: int
    Driver: str
    MountLabel: str
    ProcessLabel: str
    AppArmorProfile: str
    ExecIDs: list[str]
    GraphDriver: InspectedDriver
    SizeRw: int
    SizeRootFs: int
    Mounts: list[InspectedMount]
    Dependencies: list[str]
    NetworkSettings: InspectedNetwork
    HostConfig: InspectedHostConfig
    Config: InspectedConfig
