"""Who gets a password, who gets a token, and for how long."""

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from certified import Certified
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given
from hypothesis import strategies as st
from liar import Behaviour, Conversation, Liar, Seen
from picture import picture
from registry_server import NAME, PASSWORD, Settings, running_registry

from podlink.engine.errors import ImageNotFound, RegistryFailed
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.distribution import listing
from podlink.engine.oci.distribution.auth import Authorizer
from podlink.engine.oci.distribution.challenge import Challenge, parse_challenges
from podlink.engine.oci.distribution.client import Client
from podlink.engine.oci.distribution.connection import Request
from podlink.engine.oci.distribution.endpoint import Credentials, Endpoint
from podlink.engine.oci.image import media_types

Connect = Callable[..., Client]
Lie = Callable[[Behaviour], Liar]
BASIC = "Basic " + base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()


class TokenService:
    """Signs tokens as docker-registry wants them: a JWT (RFC 7519) with the certificate that it trusts in its header."""

    def __init__(self, certificate: Path, key: Path) -> None:
        loaded = load_pem_x509_certificate(certificate.read_bytes())
        self.key = serialization.load_pem_private_key(key.read_bytes(), None)
        self.x5c = [base64.b64encode(loaded.public_bytes(serialization.Encoding.DER)).decode()]

    def __call__(self, to: Conversation, seen: Seen) -> None:
        query = parse_qs(urlsplit(seen.path).query)
        known = seen.headers.get("authorization") == BASIC
        if not known and "authorization" in seen.headers:
            to.reply(401)
            return
        asked = [scope.rsplit(":", 1) for scope in query.get("scope", [])]
        granted = [(name, [each for each in actions.split(",") if known or each == "pull"]) for name, actions in asked]
        access = [{"type": (words := name.split(":", 1))[0], "name": words[1], "actions": allowed} for name, allowed in granted]
        token = self.sign({"aud": query["service"][0], "sub": NAME if known else "", "access": access})
        to.reply(200, json.dumps({"token": token, "expires_in": 300}).encode())

    def sign(self, claims: dict[str, object]) -> str:
        now = int(time.time())
        kind = "RS256" if isinstance(self.key, rsa.RSAPrivateKey) else "ES256"
        whole = {"iss": "tests", "exp": now + 300, "nbf": now - 10, "iat": now, "jti": "1", **claims}
        parts = [json.dumps({"typ": "JWT", "alg": kind, "x5c": self.x5c}), json.dumps(whole)]
        signed = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
        return f"{signed}.{base64.urlsafe_b64encode(self.signature(signed.encode())).decode().rstrip('=')}"

    def signature(self, content: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(content, padding.PKCS1v15(), hashes.SHA256())
        assert isinstance(self.key, ec.EllipticCurvePrivateKey)
        return b"".join(
            part.to_bytes(32, "big") for part in decode_dss_signature(self.key.sign(content, ec.ECDSA(hashes.SHA256())))
        )


@pytest.fixture
def tokened(tmp_path: Path, certified: Certified, liar: Lie) -> Iterator[tuple[str, Liar]]:
    """A real registry that wants tokens, and the service that gives them. Strangers may read, who logs in may write."""
    certificate, key = certified.issue("tokens", "tokens.example")
    service = liar(TokenService(certificate, key))
    auth = {
        "realm": f"http://{service.address}/token?from=config",
        "service": "tests",
        "issuer": "tests",
        "rootcertbundle": str(certified.root),
    }
    with running_registry(tmp_path / "tokened", Settings(token=auth)) as address:
        yield address, service


@pytest.mark.needs("docker-registry")
def test_a_token_is_fetched_once_for_each_scope(tokened: tuple[str, Liar], connect: Connect) -> None:
    address, service = tokened
    image = picture()
    writer = connect(address, credentials=Credentials(NAME, PASSWORD))
    for descriptor, content in image.descriptors:
        assert not writer.has_blob("team/app", descriptor.digest, writing=True)
        writer.upload("team/app", descriptor.digest, io.BytesIO(content))
    writer.put_manifest("team/app", "1", image.manifest, media_types.MANIFEST)
    assert len(service.seen) == 1
    asked = parse_qs(urlsplit(service.seen[0].path).query)
    assert (asked["from"], asked["account"], asked["scope"]) == (["config"], [NAME], ["repository:team/app:pull,push"])
    assert writer.mount("other/app", Digest.of(image.layer), "team/app")
    assert connect(address).manifest("team/app", "1").content == image.manifest
    assert list(listing.catalog(writer)) == ["other/app", "team/app"]
    assert len(service.seen) == 4


@pytest.mark.needs("docker-registry")
def test_a_stranger_may_not_write_and_a_liar_gets_no_token(tokened: tuple[str, Liar], connect: Connect) -> None:
    with pytest.raises(RegistryFailed, match=r"401.*log in"):
        connect(tokened[0]).upload("team/app", Digest.of(b"x"), io.BytesIO(b"x"))
    with pytest.raises(RegistryFailed, match=r"token service denies .*were refused"):
        connect(tokened[0], credentials=Credentials(NAME, "wrong")).manifest("team/app", "1")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def authorizer(
    answers: list[dict[str, object]], clock: Clock, credentials: Credentials | None = None
) -> tuple[Authorizer, list[Request]]:
    asked: list[Request] = []

    def ask(request: Request) -> tuple[int, bytes]:
        asked.append(request)
        return 200, json.dumps(answers[len(asked) - 1]).encode()

    return Authorizer(Endpoint(name="reg.example", host="reg.example", credentials=credentials), ask, clock), asked


CHALLENGE = 'Bearer realm="https://auth.example/token",service="reg.example"'


def test_a_token_is_used_while_it_lives_and_then_fetched_anew() -> None:
    clock = Clock()
    auth, asked = authorizer([{"token": "one", "expires_in": 100}, {"access_token": "two"}, {"token": "three"}], clock)
    scopes = ("repository:a:pull",)
    assert auth.header(scopes) is None
    assert auth.learn(CHALLENGE, scopes, None) == "Bearer one"
    clock.now = 89
    assert auth.header(scopes) == "Bearer one"
    clock.now = 91
    assert auth.header(scopes) == "Bearer two"
    assert auth.learn(CHALLENGE, scopes, "Bearer two") == "Bearer three"
    assert len(asked) == 3


def test_an_identity_token_is_sent_as_a_form_and_never_in_an_address() -> None:
    auth, asked = authorizer([{"access_token": "one"}], Clock(), Credentials(identity_token="long-lived"))
    assert auth.learn(CHALLENGE, ("repository:a:pull",), None) == "Bearer one"
    assert (asked[0].method, asked[0].url) == ("POST", "https://auth.example/token")
    assert parse_qs(bytes(asked[0].body or b"").decode())["refresh_token"] == ["long-lived"]


@pytest.mark.parametrize("realm", ["http://auth.example/token", "ftp://auth.example/", "", "https://"])
def test_a_password_is_sent_to_no_realm_that_is_plain_or_none(realm: str) -> None:
    auth, asked = authorizer([], Clock(), Credentials(NAME, PASSWORD))
    with pytest.raises(RegistryFailed, match=r"registry reg\.example"):
        auth.learn(f'Bearer realm="{realm}"', (), None)
    assert asked == []


@pytest.mark.parametrize("answer", [{}, {"token": 5}, {"token": "two\r\nlines"}, {"token": ""}])
def test_what_is_no_token_is_refused(answer: dict[str, object]) -> None:
    auth, _ = authorizer([answer], Clock())
    with pytest.raises(RegistryFailed, match="sent no token"):
        auth.learn(CHALLENGE, (), None)


def test_a_password_stays_with_the_registry_that_redirects(liar: Lie, connect: Connect) -> None:
    content = b"layer"
    storage = liar(lambda to, seen: to.reply(200, content))

    def redirect(to: Conversation, seen: Seen) -> None:
        if seen.headers.get("authorization") != BASIC:
            to.reply(401, WWW_Authenticate='Basic realm="tests"')
        else:
            to.reply(307, Location=f"http://{storage.address}/blob")

    client = connect(liar(redirect).address, credentials=Credentials(NAME, PASSWORD))
    with client.blob("team/app", Digest.of(content), len(content)) as stream:
        assert stream.read() == content
    assert [("authorization" in seen.headers) for seen in storage.seen] == [False]


def test_a_host_that_was_redirected_to_is_owed_no_login(liar: Lie, connect: Connect) -> None:
    greedy = liar(lambda to, seen: to.reply(401, WWW_Authenticate='Basic realm="give me"'))
    server = liar(lambda to, seen: to.reply(307, Location=f"http://{greedy.address}{seen.path}"))
    client = connect(server.address, credentials=Credentials(NAME, PASSWORD))
    with pytest.raises(RegistryFailed, match="401"):
        client.manifest("team/app", "1")
    assert all("authorization" not in seen.headers for seen in [*greedy.seen, *server.seen])


def test_an_upload_elsewhere_goes_without_the_password(liar: Lie, connect: Connect) -> None:
    elsewhere = liar(lambda to, seen: to.reply(201))

    def begin(to: Conversation, seen: Seen) -> None:
        if seen.headers.get("authorization") != BASIC:
            to.reply(401, WWW_Authenticate='Basic realm="tests"')
        else:
            to.reply(202, Location=f"http://{elsewhere.address}/put?key=1")

    client = connect(liar(begin).address, credentials=Credentials(NAME, PASSWORD))
    client.upload("team/app", Digest.of(b"x"), io.BytesIO(b"x"))
    assert [("authorization" in seen.headers, seen.body) for seen in elsewhere.seen] == [(False, b"x")]


def test_a_login_in_another_language_is_named(liar: Lie, connect: Connect) -> None:
    server = liar(lambda to, seen: to.reply(401, WWW_Authenticate="Negotiate"))
    with pytest.raises(RegistryFailed, match="asks for a login by negotiate; Basic and Bearer are supported"):
        connect(server.address).manifest("team/app", "1")


def test_a_proxy_of_the_environment_is_asked(liar: Lie, connect: Connect) -> None:
    proxy = liar(lambda to, seen: to.reply(404))
    environment = {"HTTP_PROXY": f"http://user:pass@{proxy.address}", "HTTPS_PROXY": proxy.address}
    client = connect("registry.example:5000", environment=environment)
    with pytest.raises(ImageNotFound):
        client.manifest("team/app", "1")
    assert proxy.seen[0].method == "CONNECT" or proxy.seen[-1].path == "http://registry.example:5000/v2/team/app/manifests/1"
    assert proxy.seen[-1].headers["proxy-authorization"] == "Basic " + base64.b64encode(b"user:pass").decode()


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ('Basic realm="a b"', [Challenge("basic", {"realm": "a b"})]),
        ("Basic", [Challenge("basic", {})]),
        (
            'Bearer realm="x",scope="repository:a:pull,push"',
            [Challenge("bearer", {"realm": "x", "scope": "repository:a:pull,push"})],
        ),
        (
            'Negotiate, Basic realm=a, charset="UTF-8"',
            [Challenge("negotiate", {}), Challenge("basic", {"realm": "a", "charset": "UTF-8"})],
        ),
        ('BEARER Realm = "q\\"q" , Service=s', [Challenge("bearer", {"realm": 'q"q', "service": "s"})]),
        ("", []),
        ('="', []),
    ],
)
def test_a_challenge_is_read(header: str, challenges: list[Challenge]) -> None:
    assert parse_challenges(header) == challenges


@given(st.text(max_size=300) | st.text(alphabet='Bearer basic="\\, ', max_size=300))
def test_no_challenge_is_too_odd_to_be_looked_at(header: str) -> None:
    for each in parse_challenges(header):
        assert each.scheme == each.scheme.lower()


WORDS = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), WORDS, min_size=1, max_size=4))
def test_what_is_quoted_comes_back(parameters: dict[str, str]) -> None:
    quoted = ", ".join(
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"')) for name, value in parameters.items()
    )
    assert parse_challenges(f"Bearer {quoted}") == [Challenge("bearer", parameters)]
