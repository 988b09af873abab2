"""rtnetlink(7), a message and the kernel's word on it.

How messages and their attributes are written and read is pyroute2's knowledge: its classes are asked for both, late, since their
import takes 300 ms. Its sockets are left aside: each runs a loop of events for what is one send(2) and one recv(2) here, and an
attach took twice as long by them.
"""

import errno
import os
import shlex
import socket
import struct
from collections.abc import Mapping
from importlib import import_module
from types import TracebackType
from typing import Any

from podlink.engine import trace
from podlink.engine.errors import EngineUnavailable, NetworkFailed

SOL_NETLINK = 270
"""linux/socket.h; Python has no name for it."""
LARGEST = 2**16
"""Bytes of what the kernel sends in one piece; it is half of that at most."""
READINGS = 10
"""How often a list that changed while it was read is read again."""


class Netlink:
    """A socket of the network namespace that its thread was in when it was made. Refusals are NetworkFailed in words that help.

    kind: the name of a message, RTM_…; attributes: by their names, IFLA_…, IFA_…, RTA_…; fields: those of the struct before them.
    """

    def __init__(self) -> None:
        try:
            self._netlink = import_module("pyroute2").netlink
        except ImportError:
            raise EngineUnavailable(
                "pyroute2 is not installed; networks need it: pip install 'podlink[host]', or net_mode none"
            ) from None
        self._marshal = self._netlink.rtnl.marshal.MarshalRtnl()
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        for option in (self._netlink.NETLINK_EXT_ACK, self._netlink.NETLINK_GET_STRICT_CHK):
            self._socket.setsockopt(SOL_NETLINK, option, 1)

    def __enter__(self) -> "Netlink":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._socket.close()

    def add(self, kind: str, attributes: Mapping[str, Any], *told: object, **fields: int) -> bool:
        """Make something, unless there is one already: whether it was made."""
        return self._change(kind, attributes, told, fields, errno.EEXIST, self._netlink.NLM_F_CREATE | self._netlink.NLM_F_EXCL)

    def change(self, kind: str, attributes: Mapping[str, Any], *told: object, **fields: int) -> None:
        """Change what is there. told: the words of a shell that would do the same."""
        self._change(kind, attributes, told, fields)

    def remove(self, kind: str, attributes: Mapping[str, Any], *told: object, **fields: int) -> bool:
        """Whether it was there."""
        return self._change(kind, attributes, told, fields, errno.ENODEV)

    def find(self, kind: str, attributes: Mapping[str, Any]) -> Any:
        """What is there with these attributes; None where nothing is."""
        try:
            return self._ask(kind, attributes, {}, self._netlink.NLM_F_ACK)[0]
        except self._netlink.exceptions.NetlinkError as error:
            if error.code == errno.ENODEV:
                return None
            raise _refusal(error, kind) from error

    def all(self, kind: str, **fields: int) -> list[Any]:
        """Everything of a kind."""
        try:
            for _ in range(READINGS):
                found = self._ask(kind, {}, fields, self._netlink.NLM_F_DUMP)
                if not any(each["header"]["flags"] & self._netlink.NLM_F_DUMP_INTR for each in found):
                    return found
        except self._netlink.exceptions.NetlinkError as error:
            raise _refusal(error, kind) from error
        raise NetworkFailed(f"{kind}: the kernel's list changed at each of {READINGS} readings; try again")

    def _change(
        self,
        kind: str,
        attributes: Mapping[str, Any],
        told: tuple[object, ...],
        fields: Mapping[str, int],
        unless: int = 0,
        flags: int = 0,
    ) -> bool:
        """Whether it was done: False where the kernel's reason against it is `unless`."""
        try:
            self._ask(kind, attributes, fields, self._netlink.NLM_F_ACK | flags)
        except self._netlink.exceptions.NetlinkError as error:
            if error.code == unless:
                return False
            raise _refusal(error, shlex.join(map(str, told))) from error
        trace.ran(*told)
        return True

    def _ask(self, kind: str, attributes: Mapping[str, Any], fields: Mapping[str, int], flags: int) -> list[Any]:
        """The answers, up to the one that says that there are no more. Raises the library's NetlinkError."""
        number = getattr(self._netlink.rtnl, kind)
        message = self._marshal.msg_map[number]()
        message.update(fields)
        message["attrs"] = list(attributes.items())
        message["header"].update(type=number, flags=self._netlink.NLM_F_REQUEST | flags)
        message.encode()
        self._socket.send(message.data)
        answers = []
        while True:
            for answer in self._marshal.parse(self._socket.recv(LARGEST)):
                if answer["header"]["type"] not in (self._netlink.NLMSG_ERROR, self._netlink.NLMSG_DONE):
                    answers.append(answer)
                    continue
                if answer["header"]["error"]:
                    raise answer["header"]["error"]
                # NLMSG_DONE has a number, too, which the library leaves unread.
                if code := -struct.unpack_from("=i", answer.data, answer.offset + 16)[0]:
                    raise self._netlink.exceptions.NetlinkError(code)
                return answers


def nested(**attributes: Any) -> dict[str, Any]:
    """Attributes in an attribute."""
    return {"attrs": list(attributes.items())}


def _refusal(error: Any, asked: str) -> NetworkFailed:
    """error: NetlinkError; its second argument is the kernel's own text, where there is one."""
    code, text = error.args
    reason = os.strerror(code).lower() + (f" ({text})" if text != os.strerror(code) else "")
    if code in (errno.EPERM, errno.EACCES):
        return NetworkFailed(f"networks can't be built: {reason}; the engine needs CAP_NET_ADMIN, or say net_mode host")
    if code == errno.EOPNOTSUPP:
        return NetworkFailed(f"networks can't be built: {reason}; the kernel lacks bridge or veth: modprobe bridge veth")
    return NetworkFailed(f"the kernel refused to build the network: {asked}: {reason}")
