"""A small world on one machine: the host is this test process's network namespace, outside is another, joined by a cable.

    outside 192.0.2.2 ── veth ── 192.0.2.1 host ── bridge ── containers
            2001:db8::2          2001:db8::1

No route leads from outside to the containers: what is answered there came with an address of the host.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from patience import patience, until

from podlink.engine.config import Config

HOST, HOST6 = "192.0.2.1", "2001:db8::1"
OUTSIDE, OUTSIDE6 = "192.0.2.2", "2001:db8::2"
MTU = 1400

HTTP = """
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(opener.open(sys.argv[1]).read().decode(), end="")
"""
ECHO = """
import socket, sys
server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
server.bind(("::", int(sys.argv[1])))
print("ready", flush=True)
while True:
    data, sender = server.recvfrom(4096)
    server.sendto(b"echo of " + data, sender)
"""
DATAGRAM = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
client = socket.socket(family, socket.SOCK_DGRAM)
client.connect((sys.argv[1], int(sys.argv[2])))
client.send(b"hello")
print(client.recv(4096).decode(), end="")
"""
SPOKEN = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
server.bind(("0.0.0.0", int(sys.argv[1])))
server.listen()
print("ready", flush=True)
while True:
    client, _ = server.accept()
    client.send(b"hello by sctp")
    client.close()
"""
HEARD = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
client.connect((sys.argv[1], int(sys.argv[2])))
print(client.recv(4096).decode(), end="")
"""
PEER = """
import http.server, socket
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.client_address[0].removeprefix("::ffff:").encode())
    def log_message(self, *words):
        pass
server = Server(("::", 8000), Handler)
print("ready", flush=True)
server.serve_forever()
"""


class Place:
    """A network namespace, named by a process in it; 0 is our own."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def argv(self, *words: str) -> list[str]:
        return ["nsenter", "-t", str(self.pid), "-n", *words] if self.pid else list(words)

    def run(self, *words: str) -> str:
        done = subprocess.run(self.argv(*words), capture_output=True, text=True, timeout=patience())
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def python(self, script: str, *words: str) -> str:
        return self.run(sys.executable, "-I", "-c", script, *words)

    def get(self, address: str, port: int) -> str:
        """What a web server answers."""
        shown = f"[{address}]" if ":" in address else address
        return self.python(HTTP, f"http://{shown}:{port}/")

    def ask(self, address: str, port: int) -> str:
        """What a server answers to a datagram."""
        return self.python(DATAGRAM, address, str(port))

    def fails(self, call: Callable[..., str], *arguments: Any) -> str:
        """The last line of the failure."""
        try:
            answer = call(*arguments)
        except AssertionError as error:
            return str(error).strip().splitlines()[-1]
        raise AssertionError(f"it answered: {answer}")

    @contextmanager
    def serving(self, script: str, *words: str) -> Iterator[None]:
        """A server in this namespace."""
        process = subprocess.Popen(
            self.argv(sys.executable, "-I", "-c", script, *words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            assert process.stdout and process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()
            process.communicate()


HERE = Place(0)


@contextmanager
def outside() -> Iterator[Place]:
    """The namespace that is not ours, with a cable to it."""
    process = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    place = Place(process.pid)
    try:
        own = Path("/proc/self/ns/net").readlink()
        until(lambda: Path(f"/proc/{process.pid}/ns/net").readlink() != own)
        ip(f"link add up0 mtu {MTU} type veth peer name up1 mtu {MTU} netns {process.pid}")
        for where, name, four, six in ((HERE, "up0", HOST, HOST6), (place, "up1", OUTSIDE, OUTSIDE6)):
            where.run("ip", "link", "set", name, "up")
            where.run("ip", "addr", "add", f"{four}/24", "dev", name)
            where.run("ip", "addr", "add", f"{six}/64", "dev", name, "nodad")
        place.run("ip", "link", "set", "lo", "up")
        ip(f"route add default via {OUTSIDE}")
        ip(f"-6 route add default via {OUTSIDE6}")
        yield place
    finally:
        subprocess.run(["ip", "link", "del", "up0"], capture_output=True)
        process.kill()
        process.wait()


def ip(words: str) -> None:
    HERE.run("ip", *words.split())


def links() -> set[str]:
    """The network devices of this namespace, but those of the world itself."""
    listed = json.loads(HERE.run("ip", "-j", "link"))
    return {each["ifname"] for each in listed} - {"lo", "up0", "sit0", "ip6tnl0", "tunl0"}


def ruleset() -> str:
    return HERE.run("nft", "list", "ruleset")


def mounted(config: Config) -> list[str]:
    """What is mounted below the folders of an engine."""
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted(each for each in places if each.startswith((str(config.root), str(config.runroot))))
