"""Words become a program: a parser by recursive descent, a method for each rule of the grammar (XCU, awk, "Grammar")."""

from collections.abc import Callable

from podlink.engine.runtime.emulator.userland.awk import expressions as x
from podlink.engine.runtime.emulator.userland.awk import statements as s
from podlink.engine.runtime.emulator.userland.awk.functions import ARRAYS, FUNCTIONS
from podlink.engine.runtime.emulator.userland.awk.values import number
from podlink.engine.runtime.emulator.userland.awk.words import Fault, Token, words

ASSIGNING = {"=": "", "+=": "+", "-=": "-", "*=": "*", "/=": "/", "%=": "%", "^=": "^", "**=": "^"}
OPERANDS = ("number", "string", "regex", "name", "call")
"""Kinds of words with which something begins that has a value; and these:"""
OPENING = ("$", "!", "(", "-", "+", "++", "--")
ALWAYS = x.Constant(1.0)


def parse(text: str) -> s.Program:
    """Raises Fault."""
    return Parser(words(text)).program()


class Parser:
    """One word ahead, and a few more where the grammar needs them."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._at = tokens, 0
        self._bare = False
        """Whether a `>` belongs to the `print` that this is part of, and compares nothing."""

    # Words

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _is(self, *texts: str) -> bool:
        return self._token.kind in ("punctuation", "keyword") and self._token.text in texts

    def _advance(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, *texts: str) -> str:
        """The word, if it is one of these; otherwise nothing."""
        return self._advance().text if self._is(*texts) else ""

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._unexpected()

    def _name(self) -> str:
        if self._token.kind not in ("name", "call"):
            raise self._unexpected()
        return self._advance().text

    def _unexpected(self) -> Fault:
        return Fault("Unexpected token", self._token.line)

    def _newlines(self, *more: str) -> None:
        while self._token.kind == "newline" or self._is(*more):
            self._advance()

    # The program

    def program(self) -> s.Program:
        begin: list[s.Statement] = []
        end: list[s.Statement] = []
        rules: list[s.Rule] = []
        functions: dict[str, s.Function] = {}
        self._newlines(";")
        while self._token.kind != "end":
            if self._take("BEGIN"):
                begin.append(self._block())
            elif self._take("END"):
                end.append(self._block())
            elif self._take("function", "func"):
                name = self._name()
                functions[name] = self._function()
            else:
                rules.append(self._rule())
            self._newlines(";")
        return s.Program(tuple(begin), tuple(rules), tuple(end), functions)

    def _function(self) -> s.Function:
        self._expect("(")
        names: list[str] = []
        while not self._take(")"):
            names.append(self._name())
            if self._take(","):
                self._newlines()
            elif not self._is(")"):
                raise self._unexpected()
        self._newlines()
        return s.Function(tuple(names), self._block())

    def _rule(self) -> s.Rule:
        pattern = last = None
        if not self._is("{"):
            pattern = self._expression()
            if self._take(","):
                self._newlines()
                last = self._expression()
        line = self._token.line
        body = self._block() if self._is("{") else s.Print((), False, "", None, line)
        return s.Rule(pattern, last, body)

    # Statements

    def _block(self) -> s.Block:
        self._expect("{")
        found: list[s.Statement] = []
        self._newlines(";")
        while not self._take("}"):
            found.append(self._statement())
            self._newlines(";")
        return s.Block(tuple(found))

    def _statement(self) -> s.Statement:
        """One, with what ends it."""
        if self._is("{"):
            return self._block()
        if compound := COMPOUND.get(self._token.text) if self._token.kind == "keyword" else None:
            self._advance()
            return compound(self)
        found = self._simple()
        if not (self._token.kind in ("newline", "end") or self._is(";", "}")):
            raise self._unexpected()
        if self._token.kind == "newline" or self._is(";"):
            self._advance()
        return found

    def _body(self) -> s.Statement:
        """Of a loop or a condition; `;` is none."""
        self._newlines()
        return s.Block(()) if self._take(";") else self._statement()

    def _condition(self) -> x.Expression:
        self._expect("(")
        found = self._expression()
        self._expect(")")
        return found

    def _if(self) -> s.Statement:
        condition, then = self._condition(), self._body()
        here = self._at
        self._newlines(";")
        if self._take("else"):
            return s.If(condition, then, self._body())
        self._at = here
        return s.If(condition, then, None)

    def _while(self) -> s.Statement:
        return s.Loop(self._condition(), self._body())

    def _do(self) -> s.Statement:
        body = self._body()
        self._newlines(";")
        self._expect("while")
        return s.Loop(self._condition(), body, is_late=True)

    def _for(self) -> s.Statement:
        self._expect("(")
        if self._tokens[self._at + 1].text == "in" and self._tokens[self._at + 3].text == ")":
            target = x.Variable(self._name())
            self._expect("in")
            array = self._name()
            self._expect(")")
            return s.ForEach(target, array, self._body())
        first = None if self._is(";") else self._simple()
        self._expect(";")
        self._newlines()
        condition = ALWAYS if self._is(";") else self._expression()
        self._expect(";")
        self._newlines()
        after = None if self._is(")") else self._simple()
        self._expect(")")
        return s.Loop(condition, self._body(), first=first, after=after)

    def _simple(self) -> s.Statement:
        line = self._token.line
        if word := self._take("print", "printf"):
            return self._print(word == "printf", line)
        if self._take("delete"):
            array = self._name()
            return s.Delete(array, x.Element(array, self._keys()) if self._is("[") else None)
        if word := self._take("break", "continue", "next", "nextfile", "exit", "return"):
            value = self._expression() if word in ("exit", "return") and self._begins_value() else None
            return s.Jump(word, value)
        return s.Evaluate(self._expression(), line)

    def _print(self, is_formatted: bool, line: int) -> s.Statement:
        before, self._bare = self._bare, True
        values = self._printed()
        how = self._take(">", ">>", "|")
        name = self._choice() if how else None
        self._bare = before
        if is_formatted and not values:
            raise self._unexpected()
        return s.Print(tuple(values), is_formatted, how, name, line)

    def _printed(self) -> list[x.Expression]:
        """What is printed; parentheses around all of it are no part of it."""
        if not self._begins_value():
            return []
        here = self._at
        if self._take("("):
            values = self._listed(")")
            if self._token.kind in ("newline", "end") or self._is(";", "}", ">", ">>", "|"):
                return values
            self._at = here
        values = [self._expression()]
        while self._take(","):
            self._newlines()
            values.append(self._expression())
        return values

    def _listed(self, closing: str) -> list[x.Expression]:
        """Expressions between commas, up to what closes them."""
        before, self._bare = self._bare, False
        found: list[x.Expression] = []
        self._newlines()
        while not self._is(closing):
            found.append(self._expression())
            self._newlines()
            if self._take(","):
                self._newlines()
            elif not self._is(closing):
                raise self._unexpected()
        self._advance()
        self._bare = before
        return found

    def _keys(self) -> tuple[x.Expression, ...]:
        self._expect("[")
        return tuple(self._listed("]"))

    # Expressions, what binds least first

    def _begins_value(self) -> bool:
        return self._token.kind in OPERANDS or self._is(*OPENING, "getline")

    def _expression(self) -> x.Expression:
        found = self._choice()
        if sign := self._take(*ASSIGNING):
            if not isinstance(found, x.Target):
                raise self._unexpected()
            self._newlines()
            return x.Assignment(found, ASSIGNING[sign], self._expression())
        return found

    def _choice(self) -> x.Expression:
        found = self._either()
        if not self._take("?"):
            return found
        self._newlines()
        yes = self._expression()
        self._newlines()
        self._expect(":")
        self._newlines()
        return x.Choice(found, yes, self._expression())

    def _either(self) -> x.Expression:
        found = self._both()
        while self._take("||"):
            self._newlines()
            found = x.Logical(False, found, self._both())
        return found

    def _both(self) -> x.Expression:
        found = self._member()
        while self._take("&&"):
            self._newlines()
            found = x.Logical(True, found, self._member())
        return found

    def _member(self) -> x.Expression:
        found = self._match()
        while self._take("in"):
            found = x.Member(x.Element(self._name(), (found,)))
        return found

    def _match(self) -> x.Expression:
        found = self._comparison()
        while sign := self._take("~", "!~"):
            found = x.Match(found, self._comparison(), sign == "~")
        return found

    def _comparison(self) -> x.Expression:
        found = self._concatenation()
        if sign := self._take("<", "<=", "==", "!=", ">=", *(() if self._bare else (">",))):
            found = x.Comparison(sign, found, self._concatenation())
        while self._is("|") and self._tokens[self._at + 1].text == "getline":
            self._at += 2
            found = x.Getline(found, True, self._target())
        return found

    def _concatenation(self) -> x.Expression:
        found = self._sum()
        while self._token.kind in OPERANDS or self._is("$", "(", "++", "--"):
            found = x.Concatenation(found, self._sum())
        return found

    def _sum(self) -> x.Expression:
        found = self._product()
        while sign := self._take("+", "-"):
            found = x.Arithmetic(sign, found, self._product())
        return found

    def _product(self) -> x.Expression:
        found = self._signed()
        while sign := self._take("*", "/", "%"):
            found = x.Arithmetic(sign, found, self._signed())
        return found

    def _signed(self) -> x.Expression:
        if self._take("!"):
            return x.Not(self._signed())
        if sign := self._take("-", "+"):
            return x.Sign(-1 if sign == "-" else 1, self._signed())
        return self._power()

    def _power(self) -> x.Expression:
        found = self._step()
        if self._take("^", "**"):
            return x.Arithmetic("^", found, self._signed())
        return found

    def _step(self) -> x.Expression:
        if sign := self._take("++", "--"):
            target = self._step()
            if not isinstance(target, x.Target):
                raise self._unexpected()
            return x.Step(target, 1 if sign == "++" else -1, before=True)
        found = self._operand()
        if isinstance(found, x.Target) and (sign := self._take("++", "--")):
            return x.Step(found, 1 if sign == "++" else -1, before=False)
        return found

    def _operand(self) -> x.Expression:
        if self._take("$"):
            return x.Field(self._step() if self._is("++", "--") else self._operand())
        if self._take("-"):  # of a field: $-1
            return x.Sign(-1, self._operand())
        if self._take("("):
            return self._grouped()
        if self._take("getline"):
            target = self._target()
            source = self._step() if self._take("<") else None
            return x.Getline(source, False, target)
        token = self._token
        if token.kind not in OPERANDS:
            raise self._unexpected()
        self._advance()
        return self._named(token) if token.kind in ("name", "call") else _constant(token)

    def _grouped(self) -> x.Expression:
        values = self._listed(")")
        if len(values) == 1:
            return x.Grouped(values[0])
        if not values or not self._take("in"):
            raise self._unexpected()
        return x.Member(x.Element(self._name(), tuple(values)))

    def _target(self) -> x.Target | None:
        """What a getline reads into, where that is said."""
        if self._token.kind != "name" and not self._is("$"):
            return None
        found = self._operand()
        return found if isinstance(found, x.Target) else None

    def _named(self, token: Token) -> x.Expression:
        if token.text in FUNCTIONS:
            return self._builtin(token)
        if token.kind == "call":
            self._expect("(")
            return x.Call(token.text, tuple(self._listed(")")), token.line)
        return x.Element(token.text, self._keys()) if self._is("[") else x.Variable(token.text)

    def _builtin(self, token: Token) -> x.Expression:
        least, most, run = FUNCTIONS[token.text]
        arguments = tuple(self._listed(")")) if self._take("(") else ()
        if not least <= len(arguments) <= most:
            raise Fault("Too few arguments" if len(arguments) < least else "Unexpected token", token.line)
        if (place := ARRAYS.get(token.text)) is not None and not isinstance(arguments[place], x.Variable):
            raise Fault("Unexpected token", token.line)
        return x.Builtin(run, arguments)


def _constant(token: Token) -> x.Expression:
    if token.kind == "regex":
        return x.Regex(token.text)
    return x.Constant(token.text if token.kind == "string" else number(token.text))


COMPOUND: dict[str, Callable[[Parser], s.Statement]] = {
    "if": Parser._if,
    "while": Parser._while,
    "do": Parser._do,
    "for": Parser._for,
}
