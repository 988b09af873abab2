"""What a configuration may say of networks: seen when the engine opens, not when the first container starts."""

import re

from podlink.engine.errors import EngineUnavailable, InvalidRequest
from podlink.engine.network import ranges

BRIDGE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")
"""A device's name has at most 15 characters (IFNAMSIZ); the names of its chains begin with it, and those begin with a letter."""
TABLE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
"""An identifier of nft(8)."""


def check(bridge: str, subnet: str, table: str) -> None:
    """Raise EngineUnavailable, naming the setting and its option, for what can't be a device, a range or a table."""
    if not BRIDGE.fullmatch(bridge):
        raise EngineUnavailable(
            f"bridge (--bridge): {bridge!r} can't be a bridge's name; take a letter and up to 14 letters, digits, '_', '.' or '-'"
        )
    if not TABLE.fullmatch(table):
        raise EngineUnavailable(
            f"nft_table (--nft-table): {table!r} can't be a table's name; take a letter, then letters, digits, '_', '.' or '-'"
        )
    try:
        ranges.parse("subnet (--subnet)", subnet, 4)
    except InvalidRequest as error:
        raise EngineUnavailable(str(error)) from None
