"""Who we are to a registry: a 401's challenge becomes an Authorization header.

    GET /v2/team/app/manifests/1            ──▶ registry     401, WWW-Authenticate: Bearer realm=…,service=…
    GET realm?service=…&scope=repository:team/app:pull ──▶   token service (name and password, where there are any)
    GET /v2/team/app/manifests/1  Authorization: Bearer …    ──▶ registry     200

A token is good for its scopes and for a few minutes; it is kept as long as it says, and fetched anew when refused.
With `Basic` the name and password go to the registry itself. The token service is named by the registry, and gets the
password: that is how the protocol has it. But what came by https is never answered in plain text.
https://distribution.github.io/distribution/spec/auth/token/
"""

import base64
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import urlencode, urlsplit

from podlink.engine.errors import RegistryFailed
from podlink.engine.oci.distribution.challenge import Challenge, parse_challenges
from podlink.engine.oci.distribution.connection import Request
from podlink.engine.oci.distribution.endpoint import Credentials, Endpoint

Scopes = tuple[str, ...]
LIFE = 60
"""Seconds that a token lives where its service says nothing."""
MARGIN = 0.9
"""The part of a token's life in which it is used: a request takes a while to arrive."""
CLIENT = "podlink"


def pull(repository: str) -> str:
    """The scope for reading a repository."""
    return f"repository:{repository}:pull"


def push(repository: str) -> str:
    """The scope for reading and writing a repository."""
    return f"repository:{repository}:pull,push"


CATALOG = "registry:catalog:*"
"""The scope for listing a registry's repositories."""


@dataclass(frozen=True, slots=True)
class Token:
    """expires: on our own clock, which the service's need not agree with."""

    text: str
    expires: float


class Authorizer:
    """The answers to one registry's challenges. Safe to use from several threads.

    ask: sends a request to the token service and gives back status and body. clock: seconds, monotonic.
    """

    def __init__(
        self, endpoint: Endpoint, ask: Callable[[Request], tuple[int, bytes]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._endpoint = endpoint
        self._ask = ask
        self._clock = clock
        self._challenge: Challenge | None = None
        self._tokens: dict[Scopes, Token] = {}
        self._asked: dict[Scopes, Scopes] = {}
        self._lock = Lock()

    def header(self, scopes: Scopes) -> str | None:
        """The Authorization to send for these scopes; None while no challenge has been seen, or where there is nothing to say."""
        with self._lock:
            if self._challenge is None:
                return None
            if self._challenge.scheme == "basic":
                return _basic(self._endpoint.credentials)
            token = self._tokens.get(scopes)
            if token is None or token.expires <= self._clock():
                token = self._tokens[scopes] = self._fetch(self._challenge, scopes)
            return f"Bearer {token.text}"

    def learn(self, challenges: str, scopes: Scopes, refused: str | None) -> str | None:
        """What to send after a 401 with this WWW-Authenticate; None where nothing better than what was refused can be said."""
        with self._lock:
            self._challenge = self._choose(parse_challenges(challenges))
            self._asked[scopes] = _joined(scopes, self._challenge.parameters.get("scope", "").split())
            token = self._tokens.get(scopes)
            if token and refused == f"Bearer {token.text}":
                del self._tokens[scopes]
        header = self.header(scopes)
        return None if header == refused else header

    def _choose(self, challenges: list[Challenge]) -> Challenge:
        """The best challenge that we can answer: a token is worth less to a thief than a password."""
        for scheme in ("bearer", "basic"):
            for each in challenges:
                if each.scheme == scheme:
                    return each
        offered = ", ".join(each.scheme for each in challenges) or "nothing"
        raise RegistryFailed(f"{self._endpoint} asks for a login by {offered[:100]}; Basic and Bearer are supported")

    def _fetch(self, challenge: Challenge, scopes: Scopes) -> Token:
        service = challenge.parameters.get("service", "")
        asked = self._asked.get(scopes, scopes)
        status, body = self._ask(self._request(self._realm(challenge), service, asked))
        if status in (400, 401, 403):
            advice = "log in again: the name and password, or token, were refused" if self._endpoint.credentials else "log in"
            raise RegistryFailed(f"{self._endpoint}: its token service denies {_shown(asked)}; {advice}")
        if status != 200:
            raise RegistryFailed(f"{self._endpoint}: its token service answers {status}; try again later")
        return self._read(body)

    def _realm(self, challenge: Challenge) -> str:
        realm = challenge.parameters.get("realm", "")
        try:
            parts = urlsplit(realm)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RegistryFailed(f"{self._endpoint} names no token service: realm {realm[:200]!r}")
        if parts.scheme == "http" and self._endpoint.credentials and not self._endpoint.insecure:
            raise RegistryFailed(f"{self._endpoint} wants the password sent to {realm[:200]!r}, which is not encrypted: not sent")
        return realm

    def _request(self, realm: str, service: str, scopes: Scopes) -> Request:
        """With an identity token as OAuth 2 has it (RFC 6749, section 6), else with name and password, or without either."""
        login = self._endpoint.credentials
        if login and login.identity_token:
            form = {"grant_type": "refresh_token", "service": service, "client_id": CLIENT, "scope": " ".join(scopes)}
            body = urlencode({**form, "refresh_token": login.identity_token}).encode()
            return Request(method="POST", url=realm, headers={"Content-Type": "application/x-www-form-urlencoded"}, body=body)
        query = [("service", service)] * bool(service) + [("scope", scope) for scope in scopes]
        if login:
            query.insert(0, ("account", login.username))
        basic = _basic(login)
        url = f"{realm}{'&' if urlsplit(realm).query else '?'}{urlencode(query)}"
        return Request(method="GET", url=url, headers={"Authorization": basic} if basic else {})

    def _read(self, body: bytes) -> Token:
        try:
            found: Any = json.loads(body)
            text = found.get("token") or found.get("access_token")
            life = found.get("expires_in") or LIFE
        except (ValueError, AttributeError, RecursionError):
            text, life = None, LIFE
        if not isinstance(text, str) or not text.isascii() or not text.isprintable():
            raise RegistryFailed(f"{self._endpoint}: its token service sent no token")
        seconds = life if isinstance(life, int | float) else LIFE
        return Token(text, self._clock() + seconds * MARGIN)


def _joined(scopes: Scopes, told: Sequence[str]) -> Scopes:
    """Our scopes, and of those that the registry names the ones for what ours are not about."""
    ours = {scope.rpartition(":")[0] for scope in scopes}
    return (*scopes, *(scope for scope in dict.fromkeys(told) if scope.rpartition(":")[0] not in ours))


def _basic(login: Credentials | None) -> str | None:
    """RFC 7617."""
    if login is None or not (login.username or login.password):
        return None
    return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def _shown(scopes: Scopes) -> str:
    return " and ".join(scopes) or "a token"
