"""The command `podlink`: parse, do, print. What a command needs is imported when it runs, so that `--help` is instant."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

import podlink
from podlink.api.cli.configuration import add_options


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point. Exits with 0, with 1 where the engine refuses, with 2 for a command line that makes no sense."""
    parser = argparse.ArgumentParser(
        prog="podlink", description="A container engine that speaks the varlink interface io.projectatomic.podman."
    )
    parser.add_argument("--version", action="version", version=f"podlink {podlink.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_network(commands)
    chosen = parser.parse_args(arguments)
    command = import_module(f"podlink.api.cli.{chosen.command}")
    sys.exit(getattr(command, chosen.command)(chosen))


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    serve = commands.add_parser(
        "serve",
        help="serve the interface on a socket",
        description="Serve io.projectatomic.podman on ADDRESS until SIGTERM or SIGINT; containers live on. "
        "Under socket activation the socket that was passed in is served instead. "
        "Whoever may write to the socket is root on this host.",
    )
    add_options(serve)
    serve.add_argument(
        "--timeout",
        type=_milliseconds,
        default=0,
        metavar="MS",
        help="exit after so long without a connection (default: 0, never)",
    )
    serve.add_argument("-v", "--verbose", action="store_true", help="show what is done to the host, as shell commands")
    serve.add_argument(
        "address",
        nargs="?",
        metavar="ADDRESS",
        help="unix:/path[;mode=0600], unix:@name[;uid=NUMBER] or tcp:127.0.0.1:PORT "
        "(default: unix:/run/podman/io.projectatomic.podman). At a @name only root and the service's own user may call, "
        "and those of each uid; at a tcp port whoever reaches it.",
    )


def _add_network(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    network = commands.add_parser(
        "network",
        help="networks that containers may name",
        description="Make, show and remove networks, and look after their rules. A running service may have the root open, too.",
    )
    deeds = network.add_subparsers(dest="deed", required=True, metavar="DEED")
    for name, words in (
        ("create", "make one, on which containers know one another by name"),
        ("list", "name, bridge and ranges of each"),
        ("inspect", "the same of one, then ID, addresses and ports of each container on it"),
        ("remove", "remove one that no container names"),
        ("reload", "set all rules anew, after somebody has flushed them"),
        ("check", "say where state and host differ; exits with 1 where they do"),
    ):
        deed = deeds.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
        add_options(deed)
        if name in ("create", "inspect", "remove"):
            deed.add_argument("name", metavar="NAME")
        if name == "create":
            deed.add_argument("--range", default="", metavar="RANGE", help="its addresses (default: a free /24)")
            deed.add_argument("--range6", default="", metavar="RANGE", help="its IPv6 addresses (default: an own /64)")


def _milliseconds(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds")
    return int(text)
