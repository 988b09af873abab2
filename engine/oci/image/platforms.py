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


def architecture_of(machine: str) -> str:
    """The machine, in the words of `uname -m`, as images name it."""
    return ARCHITECTURES.get(machine, machine)
