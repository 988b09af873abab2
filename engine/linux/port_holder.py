"""Who has a port: /proc/net/tcp and its siblings (proc_pid_net(5)), and the descriptors of every process.

sl  local_address rem_address   st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
 0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   0       0 31377 …
"""

from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def holder(protocol: str, port: int, root: Path = PROC) -> str:
    """`process 4711 (nginx)`, or nothing where it can't be found. protocol: `tcp` or `udp`."""
    inodes = {inode for name in (protocol, f"{protocol}6") for inode in _inodes(root / "thread-self/net" / name, port)}
    for entry in root.iterdir():
        if entry.name.isdecimal() and inodes:
            with suppress(OSError):
                for descriptor in (entry / "fd").iterdir():
                    if str(descriptor.readlink()).removeprefix("socket:[").rstrip("]") in inodes:
                        return f"process {entry.name} ({(entry / 'comm').read_text().strip()})"
    return ""


def _inodes(table: Path, port: int) -> set[str]:
    with suppress(OSError):
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
        return {row[9] for row in rows if int(row[1].rpartition(":")[2], 16) == port}
    return set()
