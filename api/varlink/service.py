"""From a message to a reply: interfaces, their methods, and the handlers behind them. https://varlink.org/Service"""

import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Protocol

from podlink.api.varlink.check import Invalid, Struct, checkers
from podlink.api.varlink.idl import Interface, parse

log = logging.getLogger(__name__)

SERVICE = "org.varlink.service"

Parameters = dict[str, Any]
Stream = Generator[Parameters, None, Parameters]


class VarlinkError(Exception):
    """An error of an interface: its full name and its parameters."""

    def __init__(self, name: str, parameters: Parameters | None = None) -> None:
        super().__init__(f"{name} {parameters or {}}")
        self.name = name
        self.parameters = parameters or {}


class Cancelled(Protocol):
    """A flag that is raised when the caller has left."""

    def is_set(self) -> bool: ...

    @property
    def why(self) -> str:
        """What raised it, where the caller did not leave: the service ends, and may still answer. Else empty."""
        ...

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]: ...


@dataclass(frozen=True, slots=True)
class Call:
    """One method call. method: its full name; more: the client takes several replies; oneway: it takes none."""

    method: str
    more: bool
    oneway: bool
    cancelled: Cancelled


Outcome = Parameters | Exception


@dataclass(frozen=True, slots=True)
class Later:
    """The answer of a call that waits, and for which no thread is to wait.

    begin: is given what to call, once and from any thread, with the reply's parameters or with an error; it returns what lets
    go, for a caller that leaves.
    """

    begin: Callable[[Callable[[Outcome], None]], Callable[[], None]]


class Interrupted(Exception):
    """The service ends while a call is under way. Its text says so."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A reply that comes later, as the server has it.

    begin: as that of Later, for the reply itself. interrupted: the reply where the service can't wait any more, and says why.
    """

    begin: Callable[[Callable[[Parameters], None]], Callable[[], None]]
    interrupted: Callable[[str], Parameters]


Handler = Callable[[Call, Struct], Parameters | Stream | Later]
"""Gives the reply's parameters; or, where `call.more` allows it, yields those of several and returns those of the last; or
says that they come later."""


@dataclass(frozen=True, slots=True)
class Served:
    """An interface with its text, as clients are to see it, and its handlers by method."""

    text: str
    handlers: Mapping[str, Handler]
    checks: dict[str, Callable[[Any], Struct]]


class Service:
    """The interfaces of one address."""

    def __init__(
        self,
        *,
        vendor: str,
        product: str,
        version: str,
        url: str,
        interfaces: Sequence[tuple[Interface, str, Mapping[str, Handler]]],
        translate: Callable[[BaseException], VarlinkError | None] = lambda error: None,
        gave_up: type[Exception] | tuple[()] = (),
    ) -> None:
        """translate: what a client is told of an exception that a handler raised; None where that is nobody's business.

        gave_up: what a handler raises because its call was cancelled. Where the caller did not leave, Interrupted is translated.
        """
        self._about = {"vendor": vendor, "product": product, "version": version, "url": url}
        self._translate, self._gave_up = translate, gave_up
        own = resources.files("podlink.api.idl").joinpath(f"{SERVICE}.varlink").read_text()
        handlers: dict[str, Handler] = {"GetInfo": self._info, "GetInterfaceDescription": self._description}
        self._served: dict[str, Served] = {}
        for interface, text, its_handlers in ((parse(own), own, handlers), *interfaces):
            self._served[interface.name] = Served(text, its_handlers, checkers(interface))

    def replies(self, message: Parameters, cancelled: Cancelled) -> Iterator[Parameters | Pending]:
        """The replies to one call, in order; none at all for `oneway`."""
        oneway = message.get("oneway") is True
        try:
            for parameters, more in self._answers(message, oneway, cancelled):
                if oneway:
                    continue
                if isinstance(parameters, Later):
                    yield self._pending(parameters)
                else:
                    yield {"parameters": parameters, "continues": True} if more else {"parameters": parameters}
        except Exception as error:
            is_ours = isinstance(error, self._gave_up) and cancelled.why
            told = self._failure(Interrupted(cancelled.why) if is_ours else error)
            if not oneway:
                yield told

    def _pending(self, later: Later) -> Pending:
        def begin(deliver: Callable[[Parameters], None]) -> Callable[[], None]:
            def reply(outcome: Outcome) -> None:
                deliver(self._failure(outcome) if isinstance(outcome, Exception) else {"parameters": outcome})

            try:
                return later.begin(reply)
            except Exception as error:
                reply(error)
                return lambda: None

        return Pending(begin, lambda why: self._failure(Interrupted(why)))

    def _failure(self, error: Exception) -> Parameters:
        told = self._told(error)
        return {"error": told.name, "parameters": told.parameters}

    def _answers(self, message: Parameters, oneway: bool, cancelled: Cancelled) -> Iterator[tuple[Parameters | Later, bool]]:
        interface, name = self._split(message.get("method"))
        served = self._served.get(interface)
        if served is None:
            raise VarlinkError(f"{SERVICE}.InterfaceNotFound", {"interface": interface})
        if name not in served.checks:
            raise VarlinkError(f"{SERVICE}.MethodNotFound", {"method": name})
        if name not in served.handlers:
            raise VarlinkError(f"{SERVICE}.MethodNotImplemented", {"method": name})
        try:
            arguments = served.checks[name](message.get("parameters"))
        except Invalid as error:
            raise VarlinkError(f"{SERVICE}.InvalidParameter", {"parameter": error.path}) from None
        call = Call(f"{interface}.{name}", message.get("more") is True, oneway, cancelled)
        answer = served.handlers[name](call, arguments)
        if isinstance(answer, dict | Later):
            yield answer, False
            return
        yield from _streamed(answer)

    def _told(self, error: Exception) -> VarlinkError:
        if isinstance(error, VarlinkError):
            return error
        told = self._translate(error)
        if told is None:
            log.exception("a handler failed")
        return told or VarlinkError(f"{SERVICE}.InvalidParameter", {"parameter": "method"})

    @staticmethod
    def _split(method: object) -> tuple[str, str]:
        interface, dot, name = method.rpartition(".") if isinstance(method, str) else ("", "", "")
        if not (dot and interface and name):
            raise VarlinkError(f"{SERVICE}.InvalidParameter", {"parameter": "method"})
        return interface, name

    def _info(self, call: Call, args: Struct) -> Parameters:
        return {**self._about, "interfaces": list(self._served)}

    def _description(self, call: Call, args: Struct) -> Parameters:
        if args["interface"] not in self._served:
            raise VarlinkError(f"{SERVICE}.InterfaceNotFound", {"interface": args["interface"]})
        return {"description": self._served[args["interface"]].text}


def _streamed(stream: Stream) -> Iterator[tuple[Parameters, bool]]:
    """What a generator yields goes out at once, with more to come; what it returns is the last reply."""
    try:
        while True:
            try:
                parameters = next(stream)
            except StopIteration as end:
                yield end.value, False
                return
            yield parameters, True
    finally:
        stream.close()
