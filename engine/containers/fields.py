"""The fields of Create as arguments in Python: what an editor completes, a checker checks, and `create` checks again.

The adapter's requests are checked against the interface before they come here; these are checked against the same types.
"""

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from typing import Any, TypedDict, get_origin, get_type_hints

from podlink.engine.containers.request import CreateRequest, IDMappingOptions, ResourceRequest
from podlink.engine.errors import InvalidRequest

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
ACCEPTED: dict[Any, tuple[type, ...]] = {Sequence: (list, tuple), Mapping: (Mapping,), float: (float, int)}
"""What is taken where it is more or less than the type itself: a string is a sequence of strings, too, and never meant so."""
WORDS = {
    Sequence: "a list of strings",
    Mapping: "a map of strings",
    str: "a string",
    int: "an int",
    float: "a number",
    bool: "a bool",
}


class MoreFields(TypedDict, total=False):
    """All but image and command: the interface's `Create` type. docs/create-fields.md says what becomes of each."""

    args: Sequence[str]
    cap_add: Sequence[str]
    cap_drop: Sequence[str]
    conmon_pidfile: str
    cgroup_parent: str
    detach: bool
    devices: Sequence[str]
    dns_opt: Sequence[str]
    dns_search: Sequence[str]
    dns_servers: Sequence[str]
    entrypoint: Sequence[str]
    env: Mapping[str, str]
    exposed_ports: Sequence[str]
    gidmap: Sequence[str]
    group_add: Sequence[str]
    host_add: Sequence[str]
    hostname: str
    image_id: str
    builtin_imgvolumes: Sequence[str]
    id_mappings: IDMappingOptions
    image_volume_type: str
    interactive: bool
    ipc_mode: str
    labels: Mapping[str, str]
    log_driver: str
    log_driver_opt: Sequence[str]
    name: str
    net_mode: str
    network: str
    pid_mode: str
    pod: str
    privileged: bool
    publish: Sequence[str]
    publish_all: bool
    quiet: bool
    readonly_rootfs: bool
    resources: ResourceRequest
    rm: bool
    shm_dir: str
    stop_signal: int
    stop_timeout: int
    subuidmap: str
    subgidmap: str
    subuidname: str
    subgidname: str
    sys_ctl: Mapping[str, str]
    tmpfs: Sequence[str]
    tty: bool
    uidmap: Sequence[str]
    userns_mode: str
    user: str
    uts_mode: str
    volumes: Sequence[str]
    work_dir: str
    mount_label: str
    process_label: str
    no_new_privs: bool
    apparmor_profile: str
    seccomp_profile_path: str
    security_opts: Sequence[str]


class CreateFields(MoreFields, total=False):
    """All of them."""

    image: str
    command: Sequence[str]


def request_of(given: Mapping[str, object]) -> CreateRequest:
    """The request that the arguments stand for. Raises InvalidRequest, naming the field, for what the interface won't take."""
    known = _kinds(CreateRequest)
    for name, value in given.items():
        if name not in known:
            from difflib import get_close_matches  # late: for a refusal alone

            close = get_close_matches(name, known, 1)
            raise InvalidRequest(f"{name}: Create has no such field{f'; is {close[0]} meant?' if close else ''}")
        _require(known[name], value, name)
    return CreateRequest(**given)  # type: ignore[arg-type]


@cache
def _kinds(record: type) -> dict[str, Any]:
    """The type of each field of a dataclass."""
    return get_type_hints(record)


def _require(kind: Any, value: Any, path: str) -> None:
    """Refuse a value that is not of the kind, or holds one that is not."""
    origin = get_origin(kind) or kind
    if not isinstance(value, ACCEPTED.get(origin, origin)) or (isinstance(value, bool) and kind is not bool):
        raise InvalidRequest(f"{path}: {WORDS.get(origin, f'a {origin.__name__}')} was expected, {value!r} was found")
    if origin is Sequence:
        for number, each in enumerate(value):
            _require(str, each, f"{path}[{number}]")
    elif origin is Mapping:
        for key, each in value.items():
            _require(str, key, f"{path}: a key")
            _require(str, each, f"{path}.{key}")
    elif isinstance(origin, type) and is_dataclass(origin):
        for name, inner in _kinds(origin).items():
            _require(inner, getattr(value, name), f"{path}.{name}")
    elif kind is int and not INT_MIN <= value <= INT_MAX:
        raise InvalidRequest(f"{path}: an int of 64 bits was expected, {value} was found")
