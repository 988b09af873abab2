"""Who we are to a registry: name and password, from the files that a login writes (containers-auth.json(5)).

    $REGISTRY_AUTH_FILE                              stands alone
    $XDG_RUNTIME_DIR/containers/auth.json            else these, in turn (without that variable: /run/containers/UID/auth.json)
    ~/.config/containers/auth.json
    $DOCKER_CONFIG/config.json or ~/.docker/config.json

    {"auths": {"reg.example/team": {"auth": "base64 of name:password"}},         the longest key that the image's name begins with
     "credHelpers": {"reg.example": "pass"}}                                     ask the program docker-credential-pass instead

A helper gets the registry's name on its standard input and answers with JSON; the password is on no command line.
"""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from podlink.engine.errors import InvalidRequest, RegistryFailed
from podlink.engine.images.registries.surroundings import Surroundings
from podlink.engine.oci.distribution.endpoint import Credentials
from podlink.engine.oci.reference import ALIASES, DEFAULT_REGISTRY

LIMIT = 4 * 1024 * 1024
HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
HELPER_SECONDS = 60
TOKEN = "<token>"
"""The user name with which a helper says that what it gives is an identity token."""
DOCKER_HUB = "https://index.docker.io/v1/"
"""docker.io as Docker's own login and its helpers call it."""


def credentials_for(name: str, surroundings: Surroundings, helpers: tuple[str, ...] = ()) -> Credentials | None:
    """The login for `registry/path`; None for none. helpers: to be asked for any registry, after the files.

    Raises InvalidRequest, naming the file, for one that can't be understood; RegistryFailed for a helper that fails.
    """
    registry = name.partition("/")[0]
    for path in files(surroundings):
        found = _json(path)
        helper = _fields(found, "credHelpers", path).get(registry)
        if isinstance(helper, str) and (login := _ask(helper, registry, surroundings)):
            return login
        if login := _stored(_fields(found, "auths", path), name, path):
            return login
        store = found.get("credsStore")
        if isinstance(store, str) and store and (login := _ask(store, registry, surroundings)):
            return login
    for helper in helpers:
        if login := _ask(helper, registry, surroundings):
            return login
    return None


def files(surroundings: Surroundings) -> list[Path]:
    """The files that are there, in the order in which they are asked. The one that the environment names has to be."""
    if named := surroundings.variable("REGISTRY_AUTH_FILE"):
        return [named]
    runtime = surroundings.variable("XDG_RUNTIME_DIR")
    own = runtime / "containers/auth.json" if runtime else Path(f"/run/containers/{os.getuid()}/auth.json")
    dockers = surroundings.variable("DOCKER_CONFIG") or surroundings.home / ".docker"
    return [path for path in (own, surroundings.settings / "containers/auth.json", dockers / "config.json") if path.is_file()]


def _json(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(LIMIT) or b"{}")
    except OSError as trouble:
        raise InvalidRequest(f"{path}: {(trouble.strerror or str(trouble)).lower()}; log in to make it") from None
    except (ValueError, RecursionError):
        raise InvalidRequest(f"{path}: it is not JSON; log in again to make it anew") from None
    if not isinstance(found, dict):
        raise InvalidRequest(f"{path}: it holds no JSON object; log in again to make it anew")
    return found


def _fields(found: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    fields = {} if found.get(name) is None else found[name]
    if not isinstance(fields, dict):
        raise InvalidRequest(f"{path}: {name}: an object is wanted")
    return fields


def _stored(logins: Mapping[str, Any], name: str, path: Path) -> Credentials | None:
    """The login under the longest key that covers the name; else under the registry as older programs wrote it."""
    registry = name.partition("/")[0]
    older = {_host(key): entry for key, entry in logins.items()}
    entries = [*(logins.get(key) for key in _covering(name)), older.get(registry)]
    for entry in entries:
        if isinstance(entry, dict) and (login := _login(entry, path)):
            return login
    return None


def _covering(name: str) -> Iterator[str]:
    """`reg/team/app`, `reg/team`, `reg`."""
    while name:
        yield name
        name = name.rpartition("/")[0]


def _host(key: str) -> str:
    """The registry of a key such as `https://index.docker.io/v1/`."""
    host = key.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return ALIASES.get(host, host)


def _login(entry: Mapping[str, Any], path: Path) -> Credentials | None:
    token, packed = entry.get("identitytoken") or "", entry.get("auth") or ""
    try:
        text = base64.b64decode(packed, validate=True).decode("utf-8")
    except (ValueError, TypeError):
        raise InvalidRequest(f"{path}: a login's auth is not base64; log in again") from None
    username, _, password = text.partition(":")
    password = password.rstrip("\0")  # some writers pad
    if not (token or username):
        return None
    return Credentials(username, password, token if isinstance(token, str) else "")


def _ask(helper: str, registry: str, surroundings: Surroundings) -> Credentials | None:
    """What a credential helper knows of a registry; None where it knows nothing."""
    if not HELPER.fullmatch(helper):
        raise InvalidRequest(f"credential helper {helper!r}: not the name of one, such as pass or secretservice")
    program, server = f"docker-credential-{helper}", DOCKER_HUB if registry == DEFAULT_REGISTRY else registry
    environment = dict(surroundings.environment)
    try:
        done = subprocess.run(
            [_found(program, environment), "get"],
            input=server.encode(),
            capture_output=True,
            timeout=HELPER_SECONDS,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as trouble:
        raise RegistryFailed(f"registry {registry}: its credential helper {program}: {_why(trouble)}") from None
    words = done.stdout[:LIMIT].decode("utf-8", "replace").strip()
    if done.returncode != 0:
        if "not found" in words:
            return None
        raise RegistryFailed(f"registry {registry}: its credential helper {program} failed: {words[:200] or done.returncode}")
    return _answer(words, registry, program)


def _found(program: str, environment: Mapping[str, str]) -> str:
    found = shutil.which(program, path=environment.get("PATH", os.defpath))
    if found is None:
        raise FileNotFoundError(2, "no such program; install it, or take it out of credHelpers")
    return found


def _why(trouble: OSError | subprocess.TimeoutExpired) -> str:
    return (
        f"no answer within {HELPER_SECONDS} s"
        if isinstance(trouble, subprocess.TimeoutExpired)
        else trouble.strerror or str(trouble)
    )


def _answer(words: str, registry: str, program: str) -> Credentials | None:
    try:
        found = json.loads(words)
        username, secret = found["Username"], found["Secret"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise RegistryFailed(f"registry {registry}: its credential helper {program} gave no login") from None
    if not isinstance(username, str) or not isinstance(secret, str):
        raise RegistryFailed(f"registry {registry}: its credential helper {program} gave no login")
    if not secret:
        return None
    return Credentials(identity_token=secret) if username == TOKEN else Credentials(username, secret)
