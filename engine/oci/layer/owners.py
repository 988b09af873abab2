"""A container's IDs in a tree that has the host's: for a root file system that is a copy with changed owners.

Where the kernel can show a tree with mapped owners (engine/storage/idmapped.py) nobody needs this. Elsewhere the tree itself is
given to the host's IDs, and whoever reads it for a layer turns them back. Three things hold IDs: a file's owners, its access
control lists (acl(5)), and the capabilities of a program, which count for one user namespace's root: capabilities(7).

    security.capability       version 2: magic, four masks                        of the host's root
                              version 3: magic, four masks, the root's ID         of the root that has this ID on the host
    system.posix_acl_…        version, then for each entry: kind, rights, ID
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from podlink.engine.oci.spec.values import IDMaps, IDRange

CAPABILITY = "security.capability"
ACLS = ("system.posix_acl_access", "system.posix_acl_default")
VERSIONS = 0xFF000000
TWO, THREE = 0x02000000, 0x03000000
USER, GROUP = 2, 8
"""The kinds of entries of a list that name somebody."""
ENTRY = struct.Struct("<HHI")
Attributes = Mapping[str, bytes]
Turn = Callable[[tuple[IDRange, ...], int], int]
"""From one side of ranges to the other."""


@dataclass(frozen=True, slots=True)
class Owners:
    """Both directions of a mapping. What it does not have is root's outside, and stays as it is inside."""

    maps: IDMaps

    def outside(self, uid: int, gid: int) -> tuple[int, int]:
        """Owners on the host."""
        return _mapped(self.maps.uids, uid), _mapped(self.maps.gids, gid)

    def inside(self, uid: int, gid: int) -> tuple[int, int]:
        """Owners in the container."""
        return _unmapped(self.maps.uids, uid), _unmapped(self.maps.gids, gid)

    def attributes_outside(self, attributes: Attributes) -> dict[str, bytes]:
        return self._turned(attributes, _mapped, self._given)

    def attributes_inside(self, attributes: Attributes) -> dict[str, bytes]:
        return self._turned(attributes, _unmapped, self._taken)

    def _turned(self, attributes: Attributes, turn: Turn, root: Callable[[bytes], bytes]) -> dict[str, bytes]:
        turned = dict(attributes)
        if CAPABILITY in turned:
            turned[CAPABILITY] = root(turned[CAPABILITY])
        for name in ACLS:
            if name in turned and (len(turned[name]) - 4) % ENTRY.size == 0:
                entries = [self._entry(turn, *entry) for entry in ENTRY.iter_unpack(turned[name][4:])]
                turned[name] = turned[name][:4] + b"".join(entries)
        return turned

    def _entry(self, turn: Turn, kind: int, rights: int, number: int) -> bytes:
        ranges = {USER: self.maps.uids, GROUP: self.maps.gids}.get(kind)
        return ENTRY.pack(kind, rights, turn(ranges, number) if ranges else number)

    def _given(self, value: bytes) -> bytes:
        """Capabilities that hold where the container's root is root, and nowhere else."""
        magic, masks = int.from_bytes(value[:4], "little"), value[4:20]
        if magic & VERSIONS != TWO:
            return value
        return struct.pack("<I", THREE | magic & ~VERSIONS) + masks + struct.pack("<I", self.maps.root()[0])

    def _taken(self, value: bytes) -> bytes:
        magic, masks = int.from_bytes(value[:4], "little"), value[4:20]
        if magic & VERSIONS != THREE or value[20:24] != struct.pack("<I", self.maps.root()[0]):
            return value
        return struct.pack("<I", TWO | magic & ~VERSIONS) + masks


def _mapped(ranges: tuple[IDRange, ...], number: int) -> int:
    return next((each.outside + number - each.inside for each in ranges if 0 <= number - each.inside < each.size), 0)


def _unmapped(ranges: tuple[IDRange, ...], number: int) -> int:
    return next((each.inside + number - each.outside for each in ranges if 0 <= number - each.outside < each.size), number)
