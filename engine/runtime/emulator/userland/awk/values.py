"""Numbers and texts. Which of the two a value is compared as, depends on where it comes from (XCU, awk, "Expressions")."""

import math
import re
from collections.abc import Callable, Sequence

NUMERIC = re.compile(r"(?P<based>0[xX][0-9a-fA-F]+|0[0-7]+(?![\d.eE]))|\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
"""Of any base, as strtol(3) tells them apart, where nothing is before it."""
CONVERSION = re.compile(r"%(?:%|([-+ #0]*)(\*|\d*)(?:\.(\*|\d*))?[hlqL]*([a-zA-Z]))")
INTEGER = 2**63


class Input(str):
    """What came from outside: it is a number where it looks like one."""

    __slots__ = ()

    def looks_numeric(self) -> bool:
        found = NUMERIC.match(self)
        return found is not None and not self[found.end() :].strip()


class Unset(str):
    """The value of a variable that has none: an empty text, and 0."""

    __slots__ = ()


UNSET = Unset()
Value = float | str


def number(value: Value) -> float:
    """What the text begins with; 0 where that is no number."""
    if isinstance(value, float):
        return value
    found = NUMERIC.match(value)
    if not found:
        return 0.0
    digits = found["based"]
    return float(found[0]) if digits is None else float(int(digits, 16 if digits[1] in "xX" else 8))


def text(value: Value, form: str = "%.6g") -> str:
    """form: of a number that is not whole, CONVFMT or OFMT."""
    if isinstance(value, str):
        return str(value)
    if not math.isfinite(value):
        return f"{value:.0f}"
    return str(int(value)) if value.is_integer() and abs(value) < INTEGER else formatted(form, [value])


def truth(value: Value) -> bool:
    if isinstance(value, float):
        return value != 0
    return number(value) != 0 if isinstance(value, Input) and value.looks_numeric() else value != ""


def compare(left: Value, right: Value, form: str) -> int:
    """Below 0, 0 or above: as numbers where both are, otherwise as texts."""
    if _is_number(left) and _is_number(right):
        one, other = number(left), number(right)
        return (one > other) - (one < other)
    first, second = text(left, form), text(right, form)
    return (first > second) - (first < second)


def _is_number(value: Value) -> bool:
    return isinstance(value, float | Unset) or (isinstance(value, Input) and value.looks_numeric())


def formatted(form: str, arguments: Sequence[Value]) -> str:
    """printf: a conversion for which there is no argument gets nothing. Raises ValueError for one that is none."""
    left = list(arguments)

    def taken() -> Value:
        return left.pop(0) if left else UNSET

    return CONVERSION.sub(lambda match: _converted(match, taken), form)


def _converted(match: re.Match[str], taken: Callable[[], Value]) -> str:
    flags, width, precision, kind = match.groups()
    if kind is None:
        return "%"
    width = str(int(number(taken()))) if width == "*" else width
    precision = str(int(number(taken()))) if precision == "*" else precision
    form = f"%{flags}{width}" + ("" if precision is None else f".{precision}")
    value = taken()
    if kind == "c":
        return (form + "s") % (chr(int(value) & 0xFF) if isinstance(value, float) else value[:1] or "\0")
    if kind == "s":
        return (form + "s") % text(value)
    if kind in "di":
        return (form + "d") % int(number(value))
    if kind in "ouxX":
        return (form + kind.replace("u", "d")) % (int(number(value)) & 0xFFFFFFFFFFFFFFFF)
    if kind in "eEfFgGaA":
        return (form + kind) % number(value)
    raise ValueError(f"{match[0]}: invalid format")
