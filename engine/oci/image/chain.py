"""Chain IDs (OCI image-spec, config.md, "Layer ChainID"): the names of layers once they lie on top of each other.

A diff ID says what one layer changes, a chain ID what one sees with all layers below it. Two images whose first layers
agree share those chain IDs, and so the unpacked directories.

    ChainID(L0)       = DiffID(L0)
    ChainID(L0|…|Ln)  = sha256( ChainID(L0|…|Ln-1) + " " + DiffID(Ln) )
"""

from collections.abc import Sequence

from podlink.engine.oci.digest import Digest


def chain_ids(diff_ids: Sequence[Digest]) -> list[str]:
    """The chain ID of each layer, base first, as 64 hex digits."""
    chain: list[Digest] = []
    for diff_id in diff_ids:
        chain.append(Digest.of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return [digest.hex for digest in chain]
