"""What a 401 asks for (RFC 9110, section 11.6.1, WWW-Authenticate), as a value.

    Bearer realm="https://auth.example/token",service="registry.example",scope="repository:team/app:pull"
    ──┬───       └──────────┬──────────────┘
    scheme              parameters: name = token or quoted string, after commas

One header may hold several challenges, one after the other, after commas too: a word that no `=` follows begins the next one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

LIMIT = 16 * 1024
TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
PIECE = re.compile(
    rf"""[\s,]*(?:
        (?P<name>{TOKEN})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>{TOKEN}))
      | (?P<scheme>{TOKEN})(?=[\s,]|$)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """scheme: in lower case. parameters: names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> list[Challenge]:
    """Every challenge of a header, in order. What can't be read ends the list: a registry's mistake is no reason to stop."""
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while piece := PIECE.match(header[:LIMIT], position):
        position = piece.end()
        if piece["scheme"]:
            found.append((piece["scheme"].lower(), {}))
        elif found:
            value = re.sub(r"\\(.)", r"\1", piece["quoted"]) if piece["quoted"] is not None else piece["plain"]
            found[-1][1].setdefault(piece["name"].lower(), value)
    return [Challenge(scheme, parameters) for scheme, parameters in found]
