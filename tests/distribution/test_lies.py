"""What a registry may do wrong, and what comes of it: nothing waits for ever or fills memory, every error names its place."""

import gzip
import io
import json
import re
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from liar import Behaviour, Conversation, Liar, Seen
from patience import patience
from picture import picture

from podlink.engine.errors import Cancelled, EngineError, ImageNotFound, InvalidRequest, RegistryFailed
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.distribution import download, upload, web
from podlink.engine.oci.distribution.client import Client
from podlink.engine.oci.distribution.connection import Timeouts
from podlink.engine.oci.distribution.endpoint import Endpoint
from podlink.engine.oci.distribution.retry import Patience
from podlink.engine.oci.image import media_types

Connect = Callable[..., Client]
Lie = Callable[[Behaviour], Liar]
CONTENT = bytes(range(256)) * 4096
BLOB = Digest.of(CONTENT)


def only_v2(behaviour: Behaviour) -> Behaviour:
    """Answer the question for the scheme well, and everything else so."""

    def answer(to: Conversation, seen: Seen) -> None:
        if seen.path == "/v2/":
            to.reply(200, b"{}")
        else:
            behaviour(to, seen)

    return answer


def fetch(client: Client, size: int = len(CONTENT)) -> bytes:
    with client.blob("team/app", BLOB, size) as stream:
        return stream.read()


def message(client: Client) -> str:
    with pytest.raises(RegistryFailed) as trouble:
        client.manifest("team/app", "1")
    assert client.endpoint.name in str(trouble.value)
    return str(trouble.value)


def test_a_download_goes_on_where_the_connection_broke(liar: Lie, connect: Connect, naps: list[float]) -> None:
    def break_twice(to: Conversation, seen: Seen) -> None:
        start = int(seen.headers.get("range", "bytes=0-")[6:-1])
        rest = CONTENT[start:]
        ranged = {"Content_Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if start else {}
        to.reply(206 if start else 200, rest[:400_000], length=len(rest), **ranged)

    server = liar(only_v2(break_twice))
    assert fetch(connect(server.address)) == CONTENT
    ranges = [seen.headers.get("range") for seen in server.seen if "blobs" in seen.path]
    assert ranges == [None, "bytes=400000-", "bytes=800000-"]
    assert len(naps) == 2


def test_a_server_without_ranges_sends_again_and_the_beginning_is_skipped(liar: Lie, connect: Connect) -> None:
    def break_once(to: Conversation, seen: Seen) -> None:
        cut = CONTENT[:500_000] if "range" not in seen.headers else CONTENT
        to.reply(200, cut, length=len(CONTENT))

    assert fetch(connect(liar(only_v2(break_once)).address)) == CONTENT


def test_a_range_that_was_not_asked_for_is_refused(liar: Lie, connect: Connect) -> None:
    def shift(to: Conversation, seen: Seen) -> None:
        if "range" in seen.headers:
            to.reply(206, CONTENT[7:], Content_Range=f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            to.reply(200, CONTENT[:100], length=len(CONTENT))

    with pytest.raises(RegistryFailed, match="asked for bytes from 100 on it sends 'bytes 7-"):
        fetch(connect(liar(only_v2(shift)).address))


def test_a_server_that_always_drops_is_given_up(liar: Lie, connect: Connect, naps: list[float]) -> None:
    server = liar(only_v2(lambda to, seen: to.reply(200, CONTENT[:10], length=len(CONTENT))))
    broke = rf"{server.address} broke the connection: IncompleteRead\(\d+ bytes read, \d+ more expected\), again and again"
    with pytest.raises(RegistryFailed, match=f"registry {server.address}: blob {BLOB} of team/app: {broke}"):
        fetch(connect(server.address))
    assert len(naps) == 4


def test_a_blob_that_is_shorter_than_promised_is_told(liar: Lie, connect: Connect) -> None:
    def short(to: Conversation, seen: Seen) -> None:
        if "range" in seen.headers:
            to.reply(416)
        else:
            to.reply(200, CONTENT[:1000])

    with pytest.raises(RegistryFailed, match=r"416; it has less of it than its manifest says"):
        fetch(connect(liar(only_v2(short)).address))


def test_more_than_was_promised_is_not_read(liar: Lie, connect: Connect) -> None:
    server = liar(only_v2(lambda to, seen: to.reply(200, CONTENT)))
    assert fetch(connect(server.address), size=1000) == CONTENT[:1000]


def test_a_blob_is_taken_as_it_is_whatever_its_encoding_claims(liar: Lie, connect: Connect) -> None:
    packed = gzip.compress(b"layer")
    server = liar(only_v2(lambda to, seen: to.reply(200, packed, Content_Encoding="gzip")))
    assert fetch(connect(server.address), len(packed)) == packed


@pytest.mark.parametrize("beginning", [b"", CONTENT[:1000]], ids=["before the headers", "in the body"])
def test_a_registry_that_stalls_is_given_up(liar: Lie, connect: Connect, beginning: bytes) -> None:
    def stall(to: Conversation, seen: Seen) -> None:
        if beginning:
            to.reply(200, beginning, length=len(CONTENT) + 1)
        to.server.released.wait(patience())

    server = liar(only_v2(stall))
    with pytest.raises(RegistryFailed, match=rf"{server.address}.*sent nothing for 0.5 s"):
        fetch(connect(server.address, Timeouts(read=0.5)))


def test_a_trickle_counts_as_a_stall(liar: Lie, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SLOW_SECONDS", 0.2)

    def trickle(to: Conversation, seen: Seen) -> None:
        start = int(seen.headers.get("range", "bytes=0-")[6:-1])
        to.send_response(206 if start else 200)
        to.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        to.send_header("Content-Length", str(len(CONTENT) - start))
        to.end_headers()
        while not to.server.released.wait(0.05):
            to.wfile.write(b"x")

    with pytest.raises(RegistryFailed, match="it brings less than"):
        fetch(connect(liar(only_v2(trickle)).address))


def test_a_manifest_of_two_gigabytes_is_refused_unread(liar: Lie, connect: Connect) -> None:
    server = liar(only_v2(lambda to, seen: to.reply(200, b"{}", length=2 << 30, Content_Type=media_types.MANIFEST)))
    assert "2147483648 bytes; 4194304 are allowed" in message(connect(server.address))


def test_a_manifest_without_end_is_refused_at_the_limit(liar: Lie, connect: Connect) -> None:
    def pour(to: Conversation, seen: Seen) -> None:
        to.send_response(200)
        to.send_header("Transfer-Encoding", "chunked")
        to.end_headers()
        while True:
            to.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")

    assert "more than the 4194304 bytes" in message(connect(liar(only_v2(pour)).address))


def reply_always(to: Conversation, seen: Seen, **answer: Any) -> None:
    to.reply(**answer)


def test_a_page_of_html_is_no_manifest(liar: Lie, connect: Connect) -> None:
    page = b"<!doctype html><title>Welcome to our hotel's network</title>"
    for status, kind in ((200, "text/html; charset=utf-8"), (200, "application/json"), (404, "text/html")):
        behaviour = partial(reply_always, status=status, body=page, Content_Type=kind)
        server = liar(only_v2(behaviour))
        assert "HTML; is that a registry?" in message(connect(server.address))


def test_a_page_of_html_is_no_reason_either(liar: Lie, connect: Connect) -> None:
    server = liar(only_v2(lambda to, seen: to.reply(403, b"<html>forbidden</html>", Content_Type="text/html")))
    assert "it answers 403; these credentials may not do that" in message(connect(server.address))


def test_a_proxy_that_wants_a_login_is_told_of(liar: Lie, connect: Connect) -> None:
    server = liar(only_v2(lambda to, seen: to.reply(407)))
    assert "it answers 407; the proxy wants a login, as in HTTP_PROXY=http://name:password@" in message(connect(server.address))


def test_redirects_without_end_end(liar: Lie, connect: Connect) -> None:
    server = liar(only_v2(lambda to, seen: to.reply(307, Location=f"{seen.path}x")))
    assert "redirects without end" in message(connect(server.address))
    assert len(server.seen) < 20


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://host/x", "http://[", "http://host:port/"])
def test_a_redirect_to_no_web_address_is_refused(liar: Lie, connect: Connect, target: str) -> None:
    server = liar(only_v2(lambda to, seen: to.reply(302, Location=target)))
    assert re.search("redirects to|Invalid|invalid|port", message(connect(server.address)))


def test_a_manifest_with_another_digest_is_refused(liar: Lie, connect: Connect) -> None:
    manifest = picture().manifest
    server = liar(only_v2(lambda to, seen: to.reply(200, manifest, Content_Type=media_types.MANIFEST)))
    with pytest.raises(RegistryFailed, match=f"sends content with the digest {Digest.of(manifest)}; it is broken, or lies"):
        connect(server.address).manifest("team/app", str(Digest.of(b"another")))


def test_a_vague_media_type_gives_way_to_the_documents_own(liar: Lie, connect: Connect) -> None:
    manifest = picture().manifest
    server = liar(only_v2(lambda to, seen: to.reply(200, manifest, Content_Type="text/plain")))
    assert connect(server.address).manifest("team/app", "1").media_type == media_types.MANIFEST


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(liar: Lie, connect: Connect, naps: list[float], status: int) -> None:
    manifest, left = picture().manifest, iter([status, status])

    def recover(to: Conversation, seen: Seen) -> None:
        to.reply(next(left, 200), manifest, Content_Type=media_types.MANIFEST)

    assert connect(liar(only_v2(recover)).address).manifest("team/app", "1").content == manifest
    assert [round(nap / 0.5) for nap in naps] == [1, 2]


def test_retry_after_is_obeyed_up_to_a_bound(liar: Lie, connect: Connect, naps: list[float]) -> None:
    asked = iter(["7", "Wed, 21 Oct 2015 07:28:00 GMT", "86400", "soon"])

    def later(to: Conversation, seen: Seen) -> None:
        if after := next(asked, None):
            to.reply(429, Retry_After=after)
        else:
            to.reply(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')

    with pytest.raises(ImageNotFound):
        connect(liar(only_v2(later)).address).manifest("team/app", "1")
    assert naps[:3] == [7, 0, 60]
    assert 3 <= naps[3] <= 5


def test_a_server_in_trouble_is_given_up_in_its_own_words(liar: Lie, connect: Connect, naps: list[float]) -> None:
    words = json.dumps({"errors": [{"code": "UNAVAILABLE", "message": "the disk\nis full"}]}).encode()
    told = message(connect(liar(only_v2(lambda to, seen: to.reply(503, words))).address))
    assert "it answers 503 (UNAVAILABLE: the disk is full); it is in trouble; try again later" in told
    assert len(naps) == 4


def test_a_refusal_with_words_is_one(liar: Lie, connect: Connect) -> None:
    words = json.dumps({"errors": [{"code": "DIGEST_INVALID", "message": "no"}]}).encode()
    told = message(connect(liar(only_v2(lambda to, seen: to.reply(400, words))).address))
    assert told.endswith("it answers 400 (DIGEST_INVALID: no); it refuses that")


def test_nobody_there_is_told_at_once(connect: Connect, naps: list[float]) -> None:
    assert "connection refused" in message(connect("127.0.0.1:1", insecure=False))
    assert naps == []


def test_a_caller_who_leaves_is_not_kept(liar: Lie, connect: Connect) -> None:
    class Left:
        def is_set(self) -> bool:
            return True

        def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
            return lambda: None

    client = connect(liar(only_v2(lambda to, seen: to.reply(500))).address)
    client.exchange.cancel = Left()
    with pytest.raises(Cancelled):
        client.manifest("team/app", "1")


class Leaving:
    """A caller who leaves when told to."""

    def __init__(self) -> None:
        self.left = threading.Event()
        self.wakes: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        return self.left.is_set()

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
        self.wakes.append(wake)
        return lambda: self.wakes.remove(wake)

    def leave(self) -> None:
        self.left.set()
        for wake in list(self.wakes):
            wake()


def test_a_caller_who_leaves_ends_a_wait_for_the_next_bytes(liar: Lie) -> None:
    caller = Leaving()

    def stall(to: Conversation, seen: Seen) -> None:
        to.send_response(200)
        to.send_header("Content-Length", str(len(CONTENT)))
        to.end_headers()
        to.wfile.write(CONTENT[:1000])
        to.server.released.wait(patience())

    server = liar(only_v2(stall))
    with (
        Client(Endpoint(name=server.address, host=server.address, insecure=True), cancel=caller) as client,
        client.blob("team/app", BLOB, len(CONTENT)) as stream,
        pytest.raises(Cancelled),
    ):
        assert stream.read(1000) == CONTENT[:1000]
        timer = threading.Timer(0.1, caller.leave)
        timer.start()
        try:
            stream.read(1000)
        finally:
            timer.join()
    assert caller.wakes == []


class Store:
    """A registry's uploads, which lose the connection, or their patience, when told to."""

    def __init__(self, *, keep: int = 0, trouble: int = 0) -> None:
        """keep: bytes of the second PATCH that arrive before it fails. trouble: the status that it fails with; 0 hangs up."""
        self.kept = b""
        self.keep, self.trouble = keep, trouble
        self.patches = 0

    def __call__(self, to: Conversation, seen: Seen) -> None:
        at: dict[str, Any] = {"Location": "/v2/team/app/blobs/uploads/1?state=a%2Fb", "Range": f"0-{max(0, len(self.kept) - 1)}"}
        match seen.method:
            case "POST":
                to.reply(202, **at)
            case "GET":
                to.reply(204, **at)
            case "HEAD":
                to.reply(404)
            case "PATCH":
                self.patches += 1
                if self.patches == 2:
                    self.kept += seen.body[: self.keep]
                    to.reply(self.trouble) if self.trouble else to.hang_up()
                    return
                assert seen.headers["content-range"] == f"{len(self.kept)}-{len(self.kept) + len(seen.body) - 1}"
                self.kept += seen.body
                to.reply(202, **(at | {"Range": f"0-{len(self.kept) - 1}"}))
            case "PUT":
                assert "state=a%2Fb" in seen.path
                to.reply(201)


@pytest.mark.parametrize("keep", [0, 400, 1000])
@pytest.mark.parametrize("trouble", [0, 500, 416])
def test_an_upload_goes_on_from_what_has_arrived(
    liar: Lie, connect: Connect, monkeypatch: pytest.MonkeyPatch, keep: int, trouble: int
) -> None:
    monkeypatch.setattr(upload, "CHUNK", 1000)
    store, content = Store(keep=keep, trouble=trouble), CONTENT[:3500]
    connect(liar(only_v2(store)).address).upload("team/app", Digest.of(content), io.BytesIO(content))
    assert store.kept == content


def test_an_upload_whose_last_answer_was_lost_is_done(liar: Lie, connect: Connect) -> None:
    answers = {"POST": 202, "PUT": 404, "HEAD": 200}
    server = liar(only_v2(lambda to, seen: to.reply(answers[seen.method], Location="/v2/team/app/blobs/uploads/1")))
    connect(server.address).upload("team/app", BLOB, io.BytesIO(CONTENT[:10]))
    assert server.seen[-1].method == "HEAD"


@pytest.mark.parametrize(
    "header", ["", "nonsense", "bytes 5", "bytes 5-", "bytes five-six/seven", "bytes 99999999999999999999999999-1/2"]
)
def test_a_content_range_that_is_none_is_refused(liar: Lie, connect: Connect, header: str) -> None:
    def odd(to: Conversation, seen: Seen) -> None:
        to.reply(206 if "range" in seen.headers else 200, CONTENT[:5], length=len(CONTENT), Content_Range=header)

    with pytest.raises(EngineError, match="asked for bytes from 5 on"):
        fetch(connect(liar(only_v2(odd)).address))


def rest_of(seen: Seen) -> int:
    return int(seen.headers.get("range", "bytes=0-")[6:-1])


def read_url(server: Liar) -> bytes:
    with web.opened(f"http://{server.address}/root.tar", {}, patience=Patience(sleep=lambda seconds, cancel: None)) as stream:
        return stream.read()


def test_a_file_on_the_web_goes_on_where_the_connection_broke(liar: Lie) -> None:
    def break_once(to: Conversation, seen: Seen) -> None:
        start = rest_of(seen)
        ranged = {"Content_Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if start else {}
        to.reply(206 if start else 200, CONTENT[start:][:600_000], len(CONTENT) - start, ETag='"1"', **ranged)

    server = liar(break_once)
    assert read_url(server) == CONTENT
    assert [seen.headers.get("if-range") for seen in server.seen] == [None, '"1"']


def test_a_file_that_changes_meanwhile_is_not_put_together_of_two(liar: Lie) -> None:
    def change(to: Conversation, seen: Seen) -> None:
        to.reply(200, CONTENT[:600_000], len(CONTENT), ETag='"2"' if rest_of(seen) else '"1"')

    with pytest.raises(RegistryFailed, match="it changed while it was fetched"):
        read_url(liar(change))


def test_the_password_of_a_url_is_for_a_server_that_asks_and_in_no_message(liar: Lie) -> None:
    def ask(to: Conversation, seen: Seen) -> None:
        if seen.headers.get("authorization") == "Basic YWRhOnMzY3JldC8=":
            to.reply(200, CONTENT)
        else:
            to.reply(401, WWW_Authenticate='Basic realm="tests"')

    server = liar(ask)
    with web.opened(f"http://ada:s3cret%2F@{server.address}/root.tar", {}) as stream:
        assert stream.read() == CONTENT
    assert [seen.headers.get("authorization", "")[:5] for seen in server.seen] == ["", "Basic"]
    with web.opened(f"http://ada:wr0ng@{server.address}/root.tar", {}) as stream, pytest.raises(RegistryFailed) as caught:
        stream.read()
    assert "it answers 401; log in" in caught.value.reason and "wr0ng" not in caught.value.reason


def test_an_empty_file_has_ended(liar: Lie) -> None:
    server = liar(lambda to, seen: to.reply(200, b""))
    assert read_url(server) == b"" and len(server.seen) == 1


def test_a_file_that_is_not_there_is_told(liar: Lie) -> None:
    with pytest.raises(RegistryFailed, match=r"root\.tar: it answers 404"):
        read_url(liar(lambda to, seen: to.reply(404)))
    for url in ("ftp://host/x", "http://", "http://[", "/etc/passwd"):
        with pytest.raises(InvalidRequest), web.opened(url, {}):
            pass
