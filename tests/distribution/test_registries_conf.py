"""registries.conf, auth.json and certs.d: what is read from where, and what it means."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlink.engine.errors import ErrorOccurred, InvalidRequest, RegistryFailed
from podlink.engine.images.registries.certificates import certificates_for
from podlink.engine.images.registries.configuration import Location, Mirror, Registries, Rule
from podlink.engine.images.registries.credentials import credentials_for
from podlink.engine.images.registries.files import files, load
from podlink.engine.images.registries.surroundings import Surroundings
from podlink.engine.oci.distribution.endpoint import Credentials
from podlink.engine.oci.distribution.proxies import proxy_for

VERSION_2 = """
unqualified-search-registries = ["reg-1.example", "reg-2.example:5000"]
short-name-mode = "permissive"
credential-helpers = ["containers-auth.json", "vault"]

[[registry]]
prefix = "reg.example/team"
location = "store.local/team-images/"
[[registry.mirror]]
location = "mirror-1.local/copies"
insecure = true
[[registry.mirror]]
location = "mirror-2.local"
pull-from-mirror = "digest-only"

[[registry]]
location = "reg.example"
insecure = true

[[registry]]
prefix = "*.bad.example"
blocked = true

[aliases]
app = "quay.example/team/app"
"""
DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def etc(tmp_path: Path) -> Surroundings:
    """An /etc and a home of the test's own, both empty."""
    return Surroundings({"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}, tmp_path / "etc")


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def version_2(tmp_path: Path) -> Registries:
    path = write(tmp_path / "registries.conf", VERSION_2)
    return load(Surroundings({"CONTAINERS_REGISTRIES_CONF": str(path)}))


def test_where_nothing_is_said_short_names_are_docker_ios(etc: Surroundings) -> None:
    assert load(etc) == Registries()
    assert load(etc).names("alpine") == ["docker.io/library/alpine:latest"]


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("tool", ["reg-1.example/tool:latest", "reg-2.example:5000/tool:latest"]),
        ("team/tool:1", ["reg-1.example/team/tool:1", "reg-2.example:5000/team/tool:1"]),
        ("app", ["quay.example/team/app:latest"]),
        ("app:2", ["quay.example/team/app:2"]),
        (f"app@{DIGEST}", [f"quay.example/team/app@{DIGEST}"]),
        ("docker.io/app", ["docker.io/library/app:latest"]),
        ("reg.example/app", ["reg.example/app:latest"]),
    ],
)
def test_a_short_name_means_its_alias_or_one_in_each_search_registry(tmp_path: Path, name: str, names: list[str]) -> None:
    assert version_2(tmp_path).names(name) == names


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("reg.example/team/app:1", [("mirror-1.local/copies/app:1", True), ("store.local/team-images/app:1", False)]),
        (
            f"reg.example/team/app@{DIGEST}",
            [
                (f"mirror-1.local/copies/app@{DIGEST}", True),
                (f"mirror-2.local/app@{DIGEST}", False),
                (f"store.local/team-images/app@{DIGEST}", False),
            ],
        ),
        ("reg.example/teamwork/app:1", [("reg.example/teamwork/app:1", True)]),
        ("other.example/team/app:1", [("other.example/team/app:1", False)]),
    ],
)
def test_the_longest_prefix_says_where_an_image_is(tmp_path: Path, name: str, places: list[tuple[str, bool]]) -> None:
    assert version_2(tmp_path).locations(name) == [Location(*place) for place in places]


@pytest.mark.parametrize("name", ["a.bad.example/app:1", "b.a.bad.example:5000/app:1"])
def test_what_is_blocked_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(RegistryFailed, match=r"\*\.bad\.example is blocked in registries\.conf"):
        version_2(tmp_path).locations(name)


@pytest.mark.parametrize("name", ["bad.example/app:1", "a.notbad.example/app:1", "bad.example.org/app:1"])
def test_a_wildcard_is_for_what_is_below_it_alone(tmp_path: Path, name: str) -> None:
    assert version_2(tmp_path).locations(name) == [Location(name)]


def test_a_wildcard_may_rewrite_the_host() -> None:
    rule = Rule(prefix="*.example.com", location="store.local")
    assert Registries(rules=(rule,)).locations("a.example.com/team/app:1") == [Location("store.local/team/app:1")]


def test_version_1_is_read_too(tmp_path: Path) -> None:
    text = """
        [registries.search]
        registries = ["reg-1.example"]
        [registries.insecure]
        registries = ["reg-2.example", "reg-3.example"]
        [registries.block]
        registries = ["reg-3.example"]
    """
    found = load(Surroundings({"CONTAINERS_REGISTRIES_CONF": str(write(tmp_path / "v1.conf", text))}))
    assert found.search == ("reg-1.example",)
    assert found.rules == (Rule(prefix="reg-2.example", insecure=True), Rule(prefix="reg-3.example", insecure=True, blocked=True))


def test_drop_ins_are_read_in_order_and_the_later_one_wins(etc: Surroundings) -> None:
    system, user = etc.etc / "containers", etc.settings / "containers"
    write(system / "registries.conf", 'unqualified-search-registries = ["a.example"]\n[[registry]]\nlocation = "x.example"\n')
    write(system / "registries.conf.d/2.conf", '[aliases]\none = "a.example/one"\ntwo = "a.example/two"\n')
    write(system / "registries.conf.d/1.conf", 'unqualified-search-registries = ["b.example"]\n')
    write(system / "registries.conf.d/note.txt", "not TOML at all")
    write(user / "registries.conf.d/9.conf", '[[registry]]\nlocation = "x.example"\nblocked = true\n[aliases]\none = ""\n')
    found = load(etc)
    assert (found.search, found.aliases) == (("b.example",), {"two": "a.example/two"})
    assert found.rules == (Rule(prefix="x.example", location="x.example", blocked=True),)


def test_the_users_file_stands_in_for_the_systems(etc: Surroundings) -> None:
    write(etc.etc / "containers/registries.conf", 'unqualified-search-registries = ["a.example"]\n')
    write(etc.etc / "containers/registries.conf.d/1.conf", 'unqualified-search-registries = ["b.example"]\n')
    own = write(etc.settings / "containers/registries.conf", 'unqualified-search-registries = ["c.example"]\n')
    assert (files(etc), load(etc).search) == ([own], ("c.example",))


def test_the_file_that_the_environment_names_goes_before_a_distributions_aliases(etc: Surroundings, tmp_path: Path) -> None:
    write(etc.etc / "containers/registries.conf.d/shortnames.conf", '[aliases]\nalpine = "docker.io/library/alpine"\n')
    named = write(tmp_path / "own.conf", 'unqualified-search-registries = ["127.0.0.1:5000"]\n')
    write(tmp_path / "own.conf.d/1.conf", '[aliases]\ntool = "127.0.0.1:5000/team/tool"\n')
    found = load(Surroundings({**etc.environment, "CONTAINERS_REGISTRIES_CONF": str(named)}, etc.etc))
    assert found.names("alpine") == ["127.0.0.1:5000/alpine:latest"]
    assert found.names("tool") == ["127.0.0.1:5000/team/tool:latest"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("unqualified-search-registries = 5", "unqualified-search-registries: a list of strings is wanted"),
        ('unqualified-search-registries = ["https://reg.example"]', "not a URL such as 'https://reg.example'"),
        ("[[registry]]\ninsecure = true", r"a prefix or a location in each \[\[registry\]\]"),
        ('[[registry]]\nlocation = "a"\ninsecure = "yes"', "insecure: true or false is wanted"),
        ('[registry]\nlocation = "a"', r"tables, written \[\[registry\]\]"),
        ('[[registry]]\nlocation = "a"\n[[registry.mirror]]\ninsecure = true', "a location in each"),
        (
            '[[registry]]\nlocation = "a"\n[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "never"',
            "one of all, digest-only",
        ),
        ('[[registry]]\nprefix = "*.example.org/team"\nblocked = true', r"a wildcard before a host alone, as \*\.example\.org"),
        ('[[registry]]\nprefix = "*.example.org:5000"', "a wildcard before a host alone"),
        ('[[registry]]\nprefix = "reg.*.org"', "a wildcard before a host alone"),
        ('[[registry]]\nprefix = "*"', "a wildcard before a host alone"),
        ('short-name-mode = "strict"', "one of enforcing, permissive, disabled"),
        ('unqualified-search-registries = []\n[registries.search]\nregistries = ["a"]', "one version of the format"),
        ("[registries]\nsearch = 5", "registries.search: a table is wanted"),
        ("aliases = 5", "aliases: a table is wanted"),
        ("[aliases]\napp = 5", "app: a string is wanted"),
        ("[[[", "it is not TOML"),
        ("\0", "it is not TOML"),
    ],
)
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path / "odd.conf", text)
    with pytest.raises(InvalidRequest, match=f"{path}: .*{words}"):
        load(Surroundings({"CONTAINERS_REGISTRIES_CONF": str(path)}))


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    for variable, read in (
        ("CONTAINERS_REGISTRIES_CONF", load),
        ("REGISTRY_AUTH_FILE", lambda surroundings: credentials_for("reg.example/app", surroundings)),
    ):
        with pytest.raises(InvalidRequest, match=f"{tmp_path}/none: no such file"):
            read(Surroundings({variable: f"{tmp_path}/none"}))


def test_a_short_name_that_nothing_resolves_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"names no registry, and registries\.conf has none to search"):
        Registries(search=()).names("app")
    with pytest.raises(InvalidRequest, match=r"short-name-mode is enforcing; give the full name, such as a\.example/app"):
        Registries(search=("a.example", "b.example"), mode="enforcing").names("app")


@given(st.text(alphabet="abc*./:@-", max_size=20), st.text(alphabet="abc*./:@-", max_size=20))
def test_a_rule_never_matches_more_than_the_name(prefix: str, name: str) -> None:
    matched = Rule(prefix=prefix).matched(name)
    assert 0 <= matched <= len(name)
    assert name[matched : matched + 1] in ("", "/", ":", "@") or not matched


def test_a_mirror_serves_what_it_is_for() -> None:
    for used_for, serves in (("all", (True, True)), ("digest-only", (False, True)), ("tag-only", (True, False))):
        mirror = Mirror("m", used_for=used_for)  # type: ignore[arg-type]
        assert (mirror.serves(by_digest=False), mirror.serves(by_digest=True)) == serves


def packed(login: str) -> dict[str, str]:
    return {"auth": base64.b64encode(login.encode()).decode()}


def test_the_longest_key_has_the_login(tmp_path: Path) -> None:
    logins = {"reg.example": packed("a:1"), "reg.example/team": packed("b:2:3"), "https://index.docker.io/v1/": packed("hub:4")}
    path = write(tmp_path / "auth.json", json.dumps({"auths": {**logins, "empty.example": {}}}))
    found = Surroundings({"REGISTRY_AUTH_FILE": str(path)})
    assert credentials_for("reg.example/other/app", found) == Credentials("a", "1")
    assert credentials_for("reg.example/team/app", found) == Credentials("b", "2:3")
    assert credentials_for("reg.example/teamwork", found) == Credentials("a", "1")
    assert credentials_for("docker.io/library/alpine", found) == Credentials("hub", "4")
    assert credentials_for("empty.example/app", found) is None
    assert credentials_for("reg.example.org/app", found) is None


def test_the_users_files_are_asked_in_turn(etc: Surroundings) -> None:
    write(etc.home / ".docker/config.json", json.dumps({"auths": {"a.example": packed("docker:1"), "b.example": packed("b:1")}}))
    write(etc.settings / "containers/auth.json", json.dumps({"auths": {"a.example": {"identitytoken": "t", **packed("a:")}}}))
    assert credentials_for("a.example/app", etc) == Credentials("a", "", "t")
    assert credentials_for("b.example/app", etc) == Credentials("b", "1")


HELPER = """#!/bin/sh
read server
case "$1 $server" in
  "get reg.example") echo '{"ServerURL": "reg.example", "Username": "ada", "Secret": "s3cret"}' ;;
  "get token.example") echo '{"Username": "<token>", "Secret": "long"}' ;;
  "get odd.example") echo 'hello' ;;
  "get broken.example") echo 'the vault is sealed'; exit 1 ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
"""


@pytest.fixture
def helped(etc: Surroundings, tmp_path: Path) -> Callable[[dict[str, object]], Surroundings]:
    """A credential helper called `vault`, and a file that asks for it."""
    write(tmp_path / "bin/docker-credential-vault", HELPER, 0o755)

    def make(content: dict[str, object]) -> Surroundings:
        path = write(tmp_path / "auth.json", json.dumps(content))
        return Surroundings({"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "REGISTRY_AUTH_FILE": str(path)})

    return make


def test_a_helper_is_asked_for_the_registries_that_it_is_for(helped: Callable[[dict[str, object]], Surroundings]) -> None:
    found = helped({"credHelpers": {"reg.example": "vault", "token.example": "vault", "none.example": "vault"}})
    assert credentials_for("reg.example/app", found) == Credentials("ada", "s3cret")
    assert credentials_for("token.example/app", found) == Credentials(identity_token="long")
    assert credentials_for("none.example/app", found) is None
    assert credentials_for("other.example/app", found) is None


def test_a_helper_may_serve_every_registry(helped: Callable[[dict[str, object]], Surroundings]) -> None:
    assert credentials_for("reg.example/app", helped({"credsStore": "vault"})) == Credentials("ada", "s3cret")
    assert credentials_for("reg.example/app", helped({}), helpers=("vault",)) == Credentials("ada", "s3cret")


@pytest.mark.parametrize(
    ("registry", "helper", "words"),
    [
        ("odd.example", "vault", "docker-credential-vault gave no login"),
        ("broken.example", "vault", "docker-credential-vault failed: the vault is sealed"),
        ("reg.example", "missing", "docker-credential-missing: no such program"),
        ("reg.example", "../vault", "not the name of one"),
    ],
)
def test_a_helper_that_fails_is_named(
    helped: Callable[[dict[str, object]], Surroundings], registry: str, helper: str, words: str
) -> None:
    with pytest.raises(ErrorOccurred, match=words):
        credentials_for(f"{registry}/app", helped({"credHelpers": {registry: helper}}))


@pytest.mark.parametrize("text", ["[]", "{", '{"auths": []}', '{"auths": {"reg.example": {"auth": "*"}}}', "[" * 100_000])
def test_a_file_of_logins_that_makes_no_sense_is_named(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "auth.json", text)
    with pytest.raises(InvalidRequest, match=str(path)):
        credentials_for("reg.example/app", Surroundings({"REGISTRY_AUTH_FILE": str(path)}))


def test_a_password_is_in_no_message() -> None:
    assert "s3cret" not in repr(Credentials("ada", "s3cret", "s3cret"))


def test_certificates_are_those_of_the_first_folder_that_knows_the_registry(etc: Surroundings) -> None:
    registry = "reg.example:5000"
    folder = etc.etc / "containers/certs.d" / registry
    for name in ("ca.crt", "client.cert", "client.key"):
        write(folder / name, "PEM")
    write(etc.etc / "docker/certs.d" / registry / "other.crt", "PEM")
    found = certificates_for(registry, etc)
    assert found.authorities == (folder / "ca.crt",)
    assert found.client and (found.client.certificate, found.client.key) == (folder / "client.cert", folder / "client.key")
    assert certificates_for("reg.example", etc).authorities == ()


@pytest.mark.parametrize(("present", "absent"), [("client.cert", "client.key"), ("client.key", "client.cert")])
def test_half_a_client_certificate_is_refused(etc: Surroundings, present: str, absent: str) -> None:
    write(etc.etc / "containers/certs.d/reg.example" / present, "PEM")
    with pytest.raises(InvalidRequest, match=f"{present}: its .* {absent} is not beside it"):
        certificates_for("reg.example", etc)


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("http://a.example/", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.example/", {"HTTP_PROXY": "http://p:1"}, None),
        ("https://a.example/", {"HTTPS_PROXY": "p:1", "https_proxy": "http://q:2"}, "http://q:2"),
        ("https://a.example/", {"HTTPS_PROXY": "p:1"}, "http://p:1"),
        ("http://127.0.0.1:5000/", {"HTTP_PROXY": "p:1"}, None),
        ("http://[::1]:5000/", {"HTTP_PROXY": "p:1"}, None),
        ("http://localhost/", {"HTTP_PROXY": "p:1"}, None),
        ("http://a.example/", {"HTTP_PROXY": "p:1", "NO_PROXY": "*"}, None),
        ("http://b.a.example/", {"HTTP_PROXY": "p:1", "NO_PROXY": "x, a.example"}, None),
        ("http://a.example/", {"HTTP_PROXY": "p:1", "NO_PROXY": ".a.example"}, "http://p:1"),
        ("http://b.a.example/", {"HTTP_PROXY": "p:1", "NO_PROXY": ".a.example"}, None),
        ("http://nota.example/", {"HTTP_PROXY": "p:1", "NO_PROXY": "a.example"}, "http://p:1"),
        ("http://a.example:5000/", {"HTTP_PROXY": "p:1", "NO_PROXY": "a.example:5000"}, None),
        ("http://a.example/", {"HTTP_PROXY": "p:1", "NO_PROXY": "a.example:5000"}, "http://p:1"),
        ("http://a.example/", {"HTTP_PROXY": "p:1", "NO_PROXY": "a.example:80"}, None),
        ("http://10.1.2.3/", {"HTTP_PROXY": "p:1", "no_proxy": "10.0.0.0/8"}, None),
        ("http://11.1.2.3/", {"HTTP_PROXY": "p:1", "no_proxy": "10.0.0.0/8,nonsense/99"}, "http://p:1"),
    ],
)
def test_a_proxy_is_chosen_as_the_environment_says(url: str, environment: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(url, environment) == proxy
