"""Regular expressions as POSIX has them, for Python: regex(7)."""

import re

CLASSES = {
    "[:alpha:]": "a-zA-Z",
    "[:digit:]": "0-9",
    "[:alnum:]": "a-zA-Z0-9",
    "[:upper:]": "A-Z",
    "[:lower:]": "a-z",
    "[:space:]": r"\s",
    "[:blank:]": r" \t",
    "[:punct:]": r"!-/:-@\[-`{-~",
    "[:xdigit:]": "0-9a-fA-F",
}


def extended(pattern: str) -> str:
    """POSIX's extended expressions are nearly ours; only the classes have other names."""
    for name, characters in CLASSES.items():
        pattern = pattern.replace(name, characters)
    return pattern


def basic(pattern: str) -> str:
    """In a basic expression `( ) { } + ? |` mean themselves, and are special behind a backslash: regex(7)."""

    def turned(match: re.Match[str]) -> str:
        text = match[0]
        if text.startswith("["):
            return text
        return text[1] if text.startswith("\\") else "\\" + text

    pattern = re.sub(r"\[\^?\]?(?:\[:\w+:\]|[^\]])*\]|\\[(){}+?|]|[(){}+?|]", turned, pattern)
    return extended(re.sub(r"^\*", r"\\*", pattern))
