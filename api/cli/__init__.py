"""The command `podlink`: parse, do, print. What a command needs is imported when it runs, so that `--help` is instant."""

import argparse
import sys
from collections.abc import Sequence

import podlink


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point. Exits with 0, with 1 where the engine refuses, with 2 for a command line that makes no sense."""
    parser = argparse.ArgumentParser(
        prog="podlink", description="A container engine that speaks the varlink interface io.projectatomic.podman."
    )
    parser.add_argument("--version", action="version", version=f"podlink {podlink.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands)
    chosen = parser.parse_args(arguments)

    from podlink.api.cli.serve import serve

    sys.exit(serve(chosen))


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    serve = commands.add_parser(
        "serve",
        help="serve the interface on a socket",
        description="Serve io.projectatomic.podman on ADDRESS until SIGTERM or SIGINT; containers live on. "
        "Under socket activation the socket that was passed in is served instead. "
        "Whoever may write to the socket is root on this host.",
    )
    serve.add_argument("--root", metavar="DIR", help="what survives a reboot (default: /var/lib/podlink)")
    serve.add_argument("--runroot", metavar="DIR", help="what does not (default: /run/podlink)")
    serve.add_argument("--runtime", choices=("runc", "emulator"), help="what runs the containers (default: runc)")
    serve.add_argument(
        "--storage-driver", choices=("overlay", "vfs"), help="how layers are kept (default: overlay; vfs with the emulator)"
    )
    serve.add_argument("--cgroup-parent", metavar="NAME", help="the cgroup above the containers' own (default: podlink)")
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
        help="unix:/path[;mode=0600], unix:@name or tcp:127.0.0.1:PORT (default: unix:/run/podman/io.projectatomic.podman)",
    )


def _milliseconds(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds")
    return int(text)
