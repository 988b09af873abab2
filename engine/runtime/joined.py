"""The namespaces that a container is to join: runc says of a wrong one only that its child is gone."""

from collections.abc import Mapping
from typing import Any

from podlink.engine.errors import RuntimeFailed
from podlink.engine.linux import proc

FIELDS = {
    "network": ("net", "net_mode"),
    "pid": ("pid", "pid_mode"),
    "ipc": ("ipc", "ipc_mode"),
    "uts": ("uts", "uts_mode"),
    "user": ("user", "userns_mode"),
}
"""By the type of runtime-spec, config-linux.md: the name in /proc/PID/ns, and the field of `Create` that says it."""


def check_joined(spec: Mapping[str, Any]) -> None:
    """Raise RuntimeFailed, naming the field, for a path that stands for no namespace, or for one of another kind."""
    for each in spec["linux"]["namespaces"]:
        if (path := each.get("path")) and (why := misnamed(FIELDS[each["type"]][1], path)):
            raise RuntimeFailed(why)


def misnamed(field: str, path: str) -> str:
    """Why the path is not what the field of `Create` speaks of; nothing where it is."""
    wanted = next(name for name, of in FIELDS.values() if of == field)
    found = proc.kind_of_namespace(path)
    if found == wanted:
        return ""
    what = f"a namespace of kind {found}" if found else "no namespace"
    return f"{field}: {path} is {what}; name a file like /proc/PID/ns/{wanted}, or a mount of one"
