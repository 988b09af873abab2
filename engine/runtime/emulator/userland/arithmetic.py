"""`$(( ))`: the integer expressions of C, of 64 bits, by precedence climbing. POSIX, XCU 2.6.4."""

import re
from collections.abc import Callable, MutableMapping

NUMBER, NAME = r"0[xX][0-9a-fA-F]+|\d+", r"[A-Za-z_]\w*"
LONG_OPERATOR = r"<<=|>>=|[-+*/%&|^]=|<<|>>|<=|>=|==|!=|&&|\|\||\*\*|\+\+|--"
TOKEN = re.compile(rf"\s*({NUMBER}|{NAME}|{LONG_OPERATOR}|[-+*/%()<>=!~&|^?:,])")
STEPS = {"++": 1, "--": -1}
BINARY: dict[str, tuple[int, Callable[[int, int], int]]] = {
    "||": (1, lambda a, b: int(bool(a or b))),
    "&&": (2, lambda a, b: int(bool(a and b))),
    "|": (3, lambda a, b: a | b),
    "^": (4, lambda a, b: a ^ b),
    "&": (5, lambda a, b: a & b),
    "==": (6, lambda a, b: int(a == b)),
    "!=": (6, lambda a, b: int(a != b)),
    "<": (7, lambda a, b: int(a < b)),
    ">": (7, lambda a, b: int(a > b)),
    "<=": (7, lambda a, b: int(a <= b)),
    ">=": (7, lambda a, b: int(a >= b)),
    "<<": (8, lambda a, b: a << (b & 63)),
    ">>": (8, lambda a, b: a >> (b & 63)),
    "+": (9, lambda a, b: a + b),
    "-": (9, lambda a, b: a - b),
    "*": (10, lambda a, b: a * b),
    "/": (10, lambda a, b: _quotient(a, b)),
    "%": (10, lambda a, b: a - b * _quotient(a, b)),
    "**": (11, lambda a, b: _power(a, b)),
}
ASSIGNMENTS = {operator + "=": operator for operator in ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>")}
UNARY: dict[str, Callable[[int], int]] = {"-": lambda a: -a, "+": lambda a: a, "!": lambda a: int(not a), "~": lambda a: ~a}


class ArithmeticFault(Exception):
    """The message is the shell's."""


def evaluate(text: str, variables: MutableMapping[str, str]) -> int:
    """The value; assignments in it are made in `variables`. Raises ArithmeticFault."""
    evaluator = _Evaluator(text, variables)
    value = evaluator.assignment() if evaluator.tokens else 0
    if evaluator.tokens:
        raise ArithmeticFault("arithmetic syntax error")
    return value


def _quotient(a: int, b: int) -> int:
    """Towards zero, as in C."""
    if b == 0:
        raise ArithmeticFault("divide by zero")
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _power(a: int, b: int) -> int:
    if b < 0:
        raise ArithmeticFault("exponent less than 0")
    return pow(a, b, 2**64)


def _wrapped(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


class _Evaluator:
    """Tokens are taken from the end of a reversed list. live: whether assignments count (not in the branch not taken)."""

    def __init__(self, text: str, variables: MutableMapping[str, str]) -> None:
        self.variables = variables
        self.tokens: list[str] = []
        self.live = True
        at, text = 0, text.rstrip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if not found:
                raise ArithmeticFault("arithmetic syntax error")
            self.tokens.append(found[1])
            at = found.end()
        self.tokens.reverse()

    def peek(self, depth: int = 1) -> str:
        return self.tokens[-depth] if len(self.tokens) >= depth else ""

    def expect(self, token: str) -> None:
        if self.peek() != token:
            raise ArithmeticFault("arithmetic syntax error")
        self.tokens.pop()

    def assignment(self) -> int:
        operator = self.peek(2)
        if self.peek().isidentifier() and (operator == "=" or operator in ASSIGNMENTS):
            name = self.tokens.pop()
            self.tokens.pop()
            value = self.assignment()
            if operator != "=":
                value = _wrapped(BINARY[ASSIGNMENTS[operator]][1](self.number(name), value))
            if self.live:
                self.variables[name] = str(value)
            return value
        return self.choice()

    def choice(self) -> int:
        condition = self.binary(1)
        if self.peek() != "?":
            return condition
        self.tokens.pop()
        first = self.branch(bool(condition), self.assignment)
        self.expect(":")
        second = self.branch(not condition, self.choice)
        return first if condition else second

    def branch(self, taken: bool, rule: Callable[[], int]) -> int:
        """Parse what may not count: then neither its assignments nor its divisions by zero do."""
        before, self.live = self.live, self.live and taken
        try:
            return rule()
        finally:
            self.live = before

    def binary(self, least: int) -> int:
        left = self.unary()
        while (found := BINARY.get(self.peek())) and found[0] >= least:
            operator = self.tokens.pop()
            taken = not ((operator == "&&" and not left) or (operator == "||" and left))
            right = self.branch(taken, lambda above=found[0] + 1: self.binary(above))  # type: ignore[misc]
            if self.live or operator not in "/%":
                left = _wrapped(found[1](left, right))
        return left

    def unary(self) -> int:
        token = self.peek()
        if token in STEPS and self.peek(2).isidentifier():
            self.tokens.pop()
            return self.step(self.tokens.pop(), STEPS[token])
        if token in STEPS:  # two signs
            self.tokens[-1:] = [token[0], token[0]]
            token = token[0]
        if token in UNARY and token:
            self.tokens.pop()
            return _wrapped(UNARY[token](self.unary()))
        if token == "(":
            self.tokens.pop()
            value = self.assignment()
            self.expect(")")
            return value
        if not token or not (token[0].isalnum() or token[0] == "_"):
            raise ArithmeticFault("arithmetic syntax error")
        self.tokens.pop()
        if token.isidentifier() and self.peek() in STEPS:
            change = STEPS[self.tokens.pop()]
            return _wrapped(self.step(token, change) - change)
        return self.number(token)

    def step(self, name: str, change: int) -> int:
        """`++name` and its like: the new value."""
        value = _wrapped(self.number(name) + change)
        if self.live:
            self.variables[name] = str(value)
        return value

    def number(self, token: str) -> int:
        """A constant, or a variable's value; one that is not set counts as 0."""
        text = token if token[0].isdigit() else self.variables.get(token, "").strip() or "0"
        try:
            digits = text.lstrip("+-")
            base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") and len(digits) > 1 else 10
            return _wrapped(int(text, base))
        except ValueError:
            raise ArithmeticFault("arithmetic syntax error") from None
