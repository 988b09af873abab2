"""What confines a container beyond capabilities: `security_opts` and the fields that say the same one by one.

    no-new-privileges          no program gains anything by execve(2): prctl(2), PR_SET_NO_NEW_PRIVS
    seccomp=PATH|unconfined    another filter of system calls, or none
    apparmor=PROFILE           a profile that the host has loaded
    label=disable              no SELinux label
    mask=/a:/b unmask=/c       paths that are hidden besides the usual ones, and usual ones that are not (ALL: none)

An option is written with `=`, or with `:` as earlier clients did.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podlink.engine.containers.request import CreateRequest
from podlink.engine.errors import InvalidRequest, NotHonoured
from podlink.engine.oci.spec.seccomp import UNCONFINED
from podlink.engine.oci.spec.values import HostFacts

LARGEST_PROFILE = 4 * 2**20
WORDS = ("no-new-privileges", "seccomp", "apparmor", "label", "mask", "unmask")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """As ContainerConfig has them."""

    no_new_privileges: bool = False
    seccomp: str = ""
    apparmor_profile: str = ""
    process_label: str = ""
    mount_label: str = ""
    masked: tuple[str, ...] = ()
    unmasked: tuple[str, ...] = ()


def settle_confinement(request: CreateRequest, facts: HostFacts) -> Confinement:
    """Raises InvalidRequest and NotHonoured, naming the field. Reads the file of a seccomp profile."""
    said: dict[str, list[str]] = {}
    for option in request.security_opts:
        word, value = _split(option)
        said.setdefault(word, []).append(value)
    no_new = [_flag(value) for value in said.get("no-new-privileges", ())]
    return Confinement(
        no_new_privileges=request.no_new_privs or any(no_new),
        seccomp=_seccomp(request.seccomp_profile_path or _last(said, "seccomp"), facts),
        apparmor_profile=_apparmor(request.apparmor_profile or _last(said, "apparmor"), facts),
        process_label=_label("process_label", request.process_label, said.get("label", []), facts),
        mount_label=_label("mount_label", request.mount_label, [], facts),
        masked=_paths("mask", said.get("mask", [])),
        unmasked=_paths("unmask", said.get("unmask", [])),
    )


def _split(option: str) -> tuple[str, str]:
    cut = min((at for at in (option.find("="), option.find(":")) if at >= 0), default=len(option))
    word, value = option[:cut], option[cut + 1 :]
    if word not in WORDS or (not value and word != "no-new-privileges"):
        raise InvalidRequest(f"security_opts: {option!r} is none of {', '.join(WORDS)}, or lacks its value (WORD=VALUE)")
    return word, value


def _last(said: dict[str, list[str]], word: str) -> str:
    return said.get(word, [""])[-1]


def _flag(value: str) -> bool:
    if value not in ("", "true", "false"):
        raise InvalidRequest(f"security_opts: no-new-privileges={value} is neither true nor false")
    return value != "false"


def _seccomp(said: str, facts: HostFacts) -> str:
    """Empty for our own filter, `unconfined`, or the document, as it is now: the file may go away."""
    if said in ("", UNCONFINED):
        return said
    if not facts.seccomp:
        raise NotHonoured("seccomp_profile_path", "this kernel has no seccomp filters")
    if not said.startswith("/"):
        raise InvalidRequest(f"seccomp_profile_path: {said!r} is neither unconfined nor an absolute path")
    try:
        with Path(said).open("rb") as file:
            content = file.read(LARGEST_PROFILE + 1)
    except OSError as error:
        raise InvalidRequest(f"seccomp_profile_path: {said}: {error.strerror}") from None
    if len(content) > LARGEST_PROFILE:
        raise InvalidRequest(f"seccomp_profile_path: {said} is larger than {LARGEST_PROFILE} bytes")
    try:
        document: Any = json.loads(content)
    except ValueError as error:
        raise InvalidRequest(f"seccomp_profile_path: {said} is not JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("defaultAction"), str):
        raise InvalidRequest(f"seccomp_profile_path: {said} is not a seccomp profile: it has no defaultAction")
    return json.dumps(document, separators=(",", ":"))


def _apparmor(profile: str, facts: HostFacts) -> str:
    if profile and profile != UNCONFINED and not facts.apparmor:
        raise NotHonoured("apparmor_profile", f"{profile!r} can't be applied: AppArmor is not enabled on this host")
    return profile if facts.apparmor else ""


def _label(field: str, label: str, options: list[str], facts: HostFacts) -> str:
    if "disable" in options or not (label or options):
        return ""
    if not facts.selinux:
        raise NotHonoured(field if label else "security_opts", "SELinux is not enabled here; say label=disable or nothing")
    if options and not label:
        raise NotHonoured("security_opts", f"label={options[0]}: only label=disable is known; give process_label and mount_label")
    return label


def _paths(word: str, values: list[str]) -> tuple[str, ...]:
    paths = tuple(path for value in values for path in value.split(":"))
    for path in paths:
        if not path.startswith("/") and not (word == "unmask" and path == "ALL"):
            raise InvalidRequest(f"security_opts: {word}={path} is not an absolute path")
    return paths
