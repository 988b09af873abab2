"""What a registry said when it said no (distribution-spec, "Error Codes"), and what can be done about it.

{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": …}]}
"""

import json

from podlink.engine.errors import RegistryFailed

LIMIT = 64 * 1024
"""Bytes of an error's body that are worth reading."""
ADVICE = {
    401: "log in: it wants other credentials than those in auth.json, or some at all",
    403: "these credentials may not do that",
    404: "it has no such thing, or hides it from who is not logged in",
    407: "the proxy wants a login, as in HTTP_PROXY=http://name:password@host:port",
    405: "it doesn't support that",
    413: "it takes nothing that large",
    416: "it has less of it than its manifest says",
    429: "it asks for fewer requests; try again later",
}


def refusal(name: str, what: str, status: int, body: bytes = b"") -> RegistryFailed:
    """The error for an answer that is no success. name: of the server. what: was asked for, such as `manifest team/app:1`."""
    words = ", ".join(f"{code}: {message}" if message else code for code, message in codes(body))
    refused = "it refuses that" if words else "that is no answer of a registry"
    advice = ADVICE.get(status, "it is in trouble; try again later" if status >= 500 else refused)
    return RegistryFailed(f"{name}: {what}: it answers {status}{f' ({words})' if words else ''}; {advice}")


def codes(body: bytes) -> list[tuple[str, str]]:
    """The codes and messages of an error's body; none where it isn't one, such as a proxy's page of HTML."""
    try:
        errors = json.loads(body)["errors"]
        found = [(error.get("code"), error.get("message")) for error in errors[:5]]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []
    return [(printable(code), printable(message)) for code, message in found if isinstance(code, str)]


def printable(text: object) -> str:
    """Words of a stranger, fit for a message: one line, bounded."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:200]) if isinstance(text, str) else ""
