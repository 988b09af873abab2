"""`linux.seccomp`: which system calls the kernel answers. runtime-spec, config-linux.md, "Seccomp"; seccomp(2).

The kernel has some 370 system calls and a container needs fewer: each one that is closed is kernel code that a hostile
program can't reach, whatever bug is in it. The tables in `syscalls.py` say which; this module says what becomes of them:

    in ALLOWED                          answered
    in GATED, a capability held         answered: the kernel asks for the capability itself, and may find it
    in GATED, none held                 EPERM, as the kernel would say, before its code is reached
    in REFUSED                          EPERM, whoever asks
    clone, socket, personality          by their arguments, below
    all others                          ENOSYS: as on a kernel without them

ENOSYS is for the calls that are not known here, above all those of a later kernel: a C library that hears it falls back to an
older call, where EPERM would make it give up. clone3(2) is one of these on purpose: its flags are behind a pointer, where no
filter can look.

    $ podlink run … sh -c 'grep Seccomp: /proc/self/status; unshare -n true'
    Seccomp:        2
    unshare: unshare(0x40000000): Operation not permitted
"""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from podlink.engine.oci.spec.syscalls import ALLOWED, GATED, REFUSED

ALLOW = "SCMP_ACT_ALLOW"
ERRNO = "SCMP_ACT_ERRNO"
EPERM = 1
ENOSYS = 38

ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}
"""By `uname -m`: the machine's own calls and those of the older programs that it runs. A call of an architecture that is not
listed ends the program. A machine that is missing here filters its own calls alone.

Each one costs every start some ten milliseconds, in which the runtime compiles the tables again for it. The x32 calls are not
worth that: kernels are built without them, or with them switched off.
"""

GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386"}
"""Architectures as the files of podman and docker spell them, by `uname -m`."""
RULE = ("names", "action", "errnoRet", "args")
"""The keys of a rule that the runtime-spec knows."""
UNCONFINED = "unconfined"

NEW_NAMESPACES = {
    "CLONE_NEWNS": 0x0002_0000,
    "CLONE_NEWCGROUP": 0x0200_0000,
    "CLONE_NEWUTS": 0x0400_0000,
    "CLONE_NEWIPC": 0x0800_0000,
    "CLONE_NEWUSER": 0x1000_0000,
    "CLONE_NEWPID": 0x2000_0000,
    "CLONE_NEWNET": 0x4000_0000,
}
"""Flags of clone(2). CLONE_NEWUSER is the one that matters: it takes no capability, and gives all of them in a new namespace,
and with them the kernel code that only root could reach before."""

FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17}
"""Address families that a network namespace confines: socket(2). AF_VSOCK talks to the hypervisor past all namespaces; AF_ALG and
the rarer protocols are seldom used and often the way in. Named by what is open: a filter compares 64 bits, the kernel reads 32,
and "anything but 40" would let 2**32 + 40 pass."""

PERSONALITIES = (0x0, 0x0008, 0x2_0000, 0x2_0008, 0xFFFF_FFFF)
"""Of personality(2): Linux; 32 bits by name; the same two with a version number of 2.6; "which is it?". The others take away
address randomisation or make memory executable."""


def profile(architecture: str, held: Collection[str]) -> dict[str, Any]:
    """The filter for a container that may hold these capabilities, on a machine of this architecture (`uname -m`)."""
    return _profile(architecture, frozenset(held))


@lru_cache(maxsize=64)
def _profile(architecture: str, held: frozenset[str]) -> dict[str, Any]:
    """Made once: few containers differ in it, it is long, and nobody changes it."""
    rules = [_rule(names.split(), ALLOW) for names in ALLOWED.values()]
    rules += [_gate(capabilities, names.split(), held) for capabilities, names in GATED]
    rules += [_rule(names.split(), ERRNO, EPERM) for names in REFUSED.values()]
    rules += _clone("CAP_SYS_ADMIN" in held, 1 if architecture.startswith("s390") else 0)
    rules += [_rule(["socket", "socketpair"], ALLOW, where=_equal(0, family)) for family in FAMILIES.values()]
    rules += [_rule(["personality"], ALLOW, where=_equal(0, value)) for value in PERSONALITIES]
    listed = {"architectures": list(ARCHITECTURES[architecture])} if architecture in ARCHITECTURES else {}
    return {"defaultAction": ERRNO, "defaultErrnoRet": ENOSYS, **listed, "syscalls": rules}


def _gate(capabilities: frozenset[str], names: list[str], held: frozenset[str]) -> dict[str, Any]:
    return _rule(names, ALLOW) if capabilities & held else _rule(names, ERRNO, EPERM)


def _clone(may_isolate: bool, flags: int) -> list[dict[str, Any]]:
    """clone(2) makes processes and threads for everybody, namespaces for CAP_SYS_ADMIN. flags: which argument they are.

    All conditions of one rule must hold and a rule can't say "any of these bits", so each bit has a rule of its own.
    """
    if may_isolate:
        return [_rule(["clone", "clone3"], ALLOW)]
    none = _masked(flags, sum(NEW_NAMESPACES.values()), 0)
    some = [_masked(flags, bit, bit) for bit in NEW_NAMESPACES.values()]
    return [_rule(["clone"], ALLOW, where=none), *(_rule(["clone"], ERRNO, EPERM, where=bit) for bit in some)]


def _rule(names: list[str], action: str, errno: int | None = None, where: dict[str, Any] | None = None) -> dict[str, Any]:
    """One entry of `syscalls`."""
    rule: dict[str, Any] = {"names": names, "action": action}
    if errno is not None:
        rule["errnoRet"] = errno
    return rule | {"args": [where]} if where else rule


def _equal(index: int, value: int) -> dict[str, Any]:
    return {"index": index, "value": value, "op": "SCMP_CMP_EQ"}


def _masked(index: int, mask: int, value: int) -> dict[str, Any]:
    """Whether the argument's bits under `mask` are `value`. The spec calls the mask `value` and the value `valueTwo`."""
    return {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}


def given(document: Mapping[str, Any], architecture: str, held: Collection[str]) -> dict[str, Any]:
    """The filter that somebody brings, in the form of the runtime-spec.

    Files of podman and docker say more: rules that hold only with a capability or on an architecture (`includes`,
    `excludes`), and a table of architectures (`archMap`). Both are resolved here, for this container.
    """
    kept = {name: document[name] for name in ("defaultAction", "defaultErrnoRet", "architectures", "flags") if document.get(name)}
    if listed := _architectures(document.get("archMap") or (), architecture):
        kept["architectures"] = listed
    rules = [
        rule for rule in document.get("syscalls") or () if _applies(rule, GO_NAMES.get(architecture, architecture), set(held))
    ]
    return kept | {"syscalls": [{name: rule[name] for name in RULE if rule.get(name) is not None} for rule in rules]}


def _architectures(table: Iterable[Mapping[str, Any]], architecture: str) -> list[str]:
    native = ARCHITECTURES.get(architecture, ("",))[0]
    return next((([native, *(each.get("subArchitectures") or ())]) for each in table if each.get("architecture") == native), [])


def _applies(rule: Mapping[str, Any], architecture: str, held: set[str]) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    wanted = set(includes.get("caps") or ()) <= held and architecture in (includes.get("arches") or (architecture,))
    unwanted = set(excludes.get("caps") or ()) & held or architecture in (excludes.get("arches") or ())
    return wanted and not unwanted
