"""A client that goes on asking from one port: what is remembered of its earlier packets must not lead the later ones astray."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import world
from patience import patience

pytestmark = pytest.mark.needs("root", "runc", "overlay", "nft")

FROM = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.bind(("", 4444))
for line in sys.stdin:
    word, seconds = line.split()
    client.settimeout(float(seconds))
    client.sendto(word.encode(), (sys.argv[1], 5353))
    try:
        print(client.recv(4096).decode().strip(), flush=True)
    except OSError:
        print("nothing", flush=True)
"""


@contextmanager
def asking(place: world.Place) -> Iterator[Any]:
    """One client with one port, which asks each time that it is called."""
    argv = place.argv(sys.executable, "-I", "-c", FROM, world.HOST)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:

        def ask(word: str, seconds: float = patience()) -> str:
            assert client.stdin and client.stdout
            client.stdin.write(f"{word} {seconds}\n")
            client.stdin.flush()
            return client.stdout.readline().strip()

        yield ask
        assert client.stdin
        client.stdin.close()


def test_a_client_that_was_too_early_or_stayed_through_a_restart_is_answered(site: Any, outside: world.Place) -> None:
    site.run("sleep", "1000")  # so that packets are translated before the server is there
    server = site.create("sleep", "1000", publish=["5353:53/udp"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody, asking(outside) as ask:
        somebody.bind((world.HOST, 5353))  # who takes the packet and says nothing: no ICMP error ends what is remembered
        assert ask("early", 1) == "nothing" and somebody.recv(100) == b"early"
        somebody.close()
        server.start()
        before = site.address(server)[0]
        with site.place(server).serving(world.ECHO, "53"):
            assert ask("first") == "echo of first"
        server.stop(0)
        server.start()
        assert site.address(server)[0] != before, "addresses are given in turn"
        with site.place(server).serving(world.ECHO, "53"):
            assert ask("second") == "echo of second"
