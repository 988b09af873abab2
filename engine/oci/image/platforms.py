"""What kind of machine an image is for (OCI image-spec, config.md, "architecture" and "os"): in the words of Go."""

from collections.abc import Collection
from dataclasses import dataclass

OS = "linux"
ARCHITECTURES = {
    "x86_64": "amd64",
    "i686": "386",
    "aarch64": "arm64",
    "armv8l": "arm",
    "armv7l": "arm",
    "armv6l": "arm",
    "loongarch64": "loong64",
}
"""Machines that `uname -m` and images call differently."""
VARIANTS = {
    "x86_64": ("", "v1"),
    "aarch64": ("v8", "", "v8.0"),
    "armv8l": ("v8", "v7", "v6", "v5", ""),
    "armv7l": ("v7", "v6", "v5", ""),
    "armv6l": ("v6", "v5", ""),
}
"""What every such machine runs of the variants that images name, the best first; elsewhere what names none."""
LEVELS = {
    "x86_64": {
        "v2": "cx16 lahf_lm pni popcnt sse4_1 sse4_2 ssse3",
        "v3": "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave",
        "v4": "avx512f avx512bw avx512cd avx512dq avx512vl",
    },
    "aarch64": {
        "v8.1": "atomics asimdrdm crc32",
        "v8.2": "dcpop",
        "v8.3": "fcma jscvt lrcpc",
        "v8.4": "asimddp dit flagm ilrcpc uscat",
        "v8.5": "flagm2 frint sb",
        "v9": "sve2",
    },
}
"""What a machine must have for each further variant, besides all before it, as /proc/cpuinfo calls it: for x86-64 the levels of
the System V psABI (3.1.1), for ARM what the architecture demands and the kernel tells.
"""
EVERY_FEATURE = frozenset(" ".join(words for levels in LEVELS.values() for words in levels.values()).split())


@dataclass(frozen=True, slots=True)
class Platform:
    """What a machine runs. variants: the best first; "" is an image that names none."""

    architecture: str
    variants: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(filter(None, (OS, self.architecture, self.variants[0])))


def platform_of(machine: str, features: Collection[str] = ()) -> Platform:
    """What a machine runs, from its name (`uname -m`) and what its processors can do (/proc/cpuinfo, `flags` or `Features`)."""
    variants = VARIANTS.get(machine, ("",))
    for variant, needed in LEVELS.get(machine, {}).items():
        if not set(needed.split()).issubset(features):
            break
        variants = (variant, *variants)
    return Platform(architecture_of(machine), variants)


def architecture_of(machine: str) -> str:
    """The machine, in the words of `uname -m`, as images name it."""
    return ARCHITECTURES.get(machine, machine)
