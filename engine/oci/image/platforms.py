"""What kind of machine an image is for (OCI image-spec, config.md, "architecture" and "os"): in the words of Go."""

OS = "linux"
ARCHITECTURES = {
    "x86_64": "amd64",
    "i686": "386",
    "aarch64": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "loongarch64": "loong64",
}
"""Machines that `uname -m` and images call differently."""
VARIANTS = {
    "x86_64": ("", "v1"),
    "aarch64": ("v8", ""),
    "armv7l": ("v7", "v6", "v5", ""),
    "armv6l": ("v6", "v5", ""),
}
"""What such a machine runs of the variants that images name, the best first; elsewhere what names none."""


def variants_of(machine: str) -> tuple[str, ...]:
    """The variants of an architecture that the machine, in the words of `uname -m`, can run."""
    return VARIANTS.get(machine, ("",))


def architecture_of(machine: str) -> str:
    """The machine, in the words of `uname -m`, as images name it."""
    return ARCHITECTURES.get(machine, machine)
