"""A pull from a real registry over a connection that breaks: it goes on where it was, and asks for nothing twice."""

import http.client
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from layouts import layer, write_layout
from liar import Behaviour, Conversation, Liar, Seen
from patience import patience

from podlink import Engine

KEPT = ("content-type", "content-range", "docker-content-digest", "accept-ranges")
CUT = 700_000


def forward(address: str) -> Behaviour:
    """Answer as the registry at this address does, but break off in the middle of what is asked for from its beginning."""

    def answer(to: Conversation, seen: Seen) -> None:
        upstream = http.client.HTTPConnection(address, timeout=patience())
        passed_on = {name: value for name, value in seen.headers.items() if name in ("accept", "range")}
        upstream.request(seen.method, seen.path, headers=passed_on)
        got = upstream.getresponse()
        body = got.read()
        upstream.close()
        headers = {name: value for name, value in got.getheaders() if name.lower() in KEPT}
        broken = body[:CUT] if "range" not in seen.headers else body
        to.reply(got.status, broken, length=len(body), **headers)

    return answer


@pytest.mark.needs("docker-registry", "skopeo")
def test_a_pull_goes_on_where_the_connection_broke(
    tmp_path: Path, registry: str, liar: Callable[[Behaviour], Liar], registries_conf: Callable[[str], Path]
) -> None:
    content = Random(1).randbytes(2_000_000)
    image = write_layout(tmp_path / "o", [layer({"bin/one": content})])
    command = ["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", f"oci:{tmp_path}/o:v1"]
    subprocess.run([*command, f"docker://{registry}/team/app:v1"], check=True, capture_output=True)
    server = liar(forward(registry))
    registries_conf(f'[[registry]]\nlocation = "{server.address}"\ninsecure = true\n')
    told: list[int] = []
    with Engine.emulated() as engine:
        assert engine.images.pull(f"{server.address}/team/app:v1", lambda blob, size: told.append(size)) == image
        (row,) = engine.host.state.images.all()
    large = row.layers[0].blob
    ranges = [seen.headers.get("range") for seen in server.seen if re.search(large, seen.path) and seen.method == "GET"]
    assert ranges == [None, f"bytes={CUT}-"], "it was fetched anew, or not at all"
    assert told == sorted(told) and told[-1] == row.layers[0].blob_size
