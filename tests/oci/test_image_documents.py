"""Manifests, configurations and chain IDs: bytes to values and back, and what is refused."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlink.engine.errors import InvalidArchive, InvalidRequest
from podlink.engine.oci.digest import Digest
from podlink.engine.oci.image import document, media_types, times
from podlink.engine.oci.image.chain import chain_ids
from podlink.engine.oci.image.config import Execution, History, ImageConfig
from podlink.engine.oci.image.manifest import Descriptor, Manifest

ZERO = "sha256:" + "0" * 64
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
texts = st.lists(text, max_size=3).map(tuple)
unique = st.lists(text, max_size=3, unique=True).map(lambda found: tuple(sorted(found)))
moments = st.one_of(st.just(times.UNKNOWN), st.integers(times.UNKNOWN, 4_000_000_000 * times.NANOSECONDS))
digests = st.binary(max_size=4).map(Digest.of)
executions = st.builds(
    Execution,
    user=text,
    exposed_ports=unique,
    env=texts,
    entrypoint=texts,
    cmd=texts,
    volumes=unique,
    working_dir=text,
    labels=st.dictionaries(text, text, max_size=3),
    stop_signal=text,
)
steps = st.builds(History, created=moments, created_by=text, author=text, comment=text)


@st.composite
def configs(draw: st.DrawFn) -> ImageConfig:
    history = draw(st.lists(steps, max_size=3))
    diff_ids = draw(st.lists(digests, min_size=len(history), max_size=len(history) or 3))
    return ImageConfig(
        architecture=draw(text.filter(bool)),
        variant=draw(text),
        os="linux",
        diff_ids=tuple(diff_ids),
        created=draw(moments),
        author=draw(text),
        execution=draw(executions),
        history=tuple(history),
    )


@given(configs())
def test_a_configuration_is_read_back_as_it_was_written(config: ImageConfig) -> None:
    written = config.serialize()
    assert ImageConfig.parse(written) == config
    assert ImageConfig.parse(written).serialize() == written


@given(
    st.lists(st.builds(Descriptor, text.filter(bool), digests, st.integers(0, 2**63 - 1)), max_size=3),
    st.dictionaries(text, text, max_size=3),
)
def test_a_manifest_is_read_back_as_it_was_written(layers: list[Descriptor], annotations: dict[str, str]) -> None:
    manifest = Manifest(config=Descriptor(media_types.CONFIG, Digest.of(b""), 0), layers=tuple(layers), annotations=annotations)
    assert Manifest.parse(manifest.serialize()) == manifest


def test_equal_documents_have_equal_compact_bytes() -> None:
    assert document.write({"b": [1, {}], "a": "ü"}) == '{"a":"ü","b":[1,{}]}'.encode()


def test_the_chain_id_of_a_layer_depends_on_the_layers_below() -> None:
    first, second, third = (Digest.of(name) for name in (b"1", b"2", b"3"))
    two = hashlib.sha256(f"sha256:{first.hex} sha256:{second.hex}".encode()).hexdigest()
    three = hashlib.sha256(f"sha256:{two} sha256:{third.hex}".encode()).hexdigest()
    assert chain_ids([first, second, third]) == [first.hex, two, three]
    assert chain_ids([]) == []


def minimal(**changes: Any) -> dict[str, Any]:
    return {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [ZERO]}} | changes


def test_null_and_absent_fields_mean_nothing_is_said() -> None:
    config = {"Env": None, "Cmd": None, "Labels": None, "ExposedPorts": None, "User": None}
    found = ImageConfig.parse(json.dumps(minimal(config=config, history=None, created=None)).encode())
    assert found.execution == Execution()
    assert found.created == times.UNKNOWN
    assert found == ImageConfig.parse(json.dumps(minimal()).encode())


def test_a_container_sees_every_field_under_the_name_of_the_spec() -> None:
    found = ImageConfig.parse(json.dumps(minimal(config={"Cmd": ["sh"], "ExposedPorts": {"80": {}}})).encode()).runtime()
    assert found == {
        "User": "",
        "ExposedPorts": {"80": {}},
        "Env": [],
        "Entrypoint": [],
        "Cmd": ["sh"],
        "Volumes": {},
        "WorkingDir": "",
        "Labels": {},
        "StopSignal": "",
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"architecture": ""}, "image configuration.architecture"),
        ({"os": 1}, "image configuration.os: a string is wanted and 1"),
        ({"os": False}, "image configuration.os: a string is wanted"),
        ({"rootfs": {"type": "tree", "diff_ids": []}}, "rootfs.type"),
        ({"rootfs": []}, "rootfs: an object"),
        ({"rootfs": {"type": "layers", "diff_ids": "x"}}, "rootfs.diff_ids: a list"),
        ({"rootfs": {"type": "layers", "diff_ids": ["sha256:0"]}}, "rootfs.diff_ids[0]"),
        ({"config": {"Env": ["A=b", 2]}}, "config.Env[1]: a string is wanted and 2"),
        ({"config": {"Labels": {"a": 1}}}, "config.Labels.a"),
        ({"config": {"ExposedPorts": ["80"]}}, "config.ExposedPorts: an object"),
        ({"history": [{"empty_layer": "yes"}]}, "history[0].empty_layer: true or false"),
        ({"history": [{"created": "yesterday"}]}, "history[0].created: not an RFC 3339 time"),
        ({"created": "2026-02-30T00:00:00Z"}, "image configuration.created"),
    ],
)
def test_a_wrong_field_of_a_configuration_is_refused_by_its_path(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidArchive) as caught:
        ImageConfig.parse(json.dumps(minimal(**changes)).encode())
    assert says in caught.value.reason


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not JSON"),
        (b"\xff{}", "not JSON"),
        (b"[]", "an object is wanted"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": "\\ud800"}', "not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b" " * (document.LIMIT + 1), "bytes"),
    ],
)
def test_what_is_no_json_object_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(InvalidArchive) as caught:
        document.read(content, "manifest")
    assert caught.value.reason.startswith("manifest: ")
    assert says in caught.value.reason


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schemaVersion": 1}, "manifest.schemaVersion"),
        ({"schemaVersion": True}, "manifest.schemaVersion"),
        ({"mediaType": "text/plain"}, "manifest.mediaType"),
        ({"config": {}}, "manifest.config.size"),
        ({"config": {"size": 1, "digest": ZERO}}, "manifest.config.mediaType"),
        ({"config": {"size": 1, "mediaType": "x", "digest": "md5:0"}}, "manifest.config.digest"),
        ({"config": {"size": -1, "mediaType": "x", "digest": ZERO}}, "manifest.config.size"),
        ({"config": {"size": 1.0, "mediaType": "x", "digest": ZERO}}, "manifest.config.size"),
        ({"layers": {}}, "manifest.layers: a list"),
        ({"layers": [0]}, "manifest.layers[0]: an object"),
    ],
)
def test_a_wrong_field_of_a_manifest_is_refused_by_its_path(changes: dict[str, Any], says: str) -> None:
    whole = {"schemaVersion": 2, "config": {"size": 1, "mediaType": "x", "digest": ZERO}, "layers": []} | changes
    with pytest.raises(InvalidArchive) as caught:
        Manifest.parse(json.dumps(whole).encode())
    assert says in caught.value.reason


@given(moments)
def test_a_moment_is_read_back_as_it_was_spelled(moment: int) -> None:
    assert times.parse(times.rfc3339(moment)) == moment


@pytest.mark.parametrize(
    ("spelled", "moment"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00.5z", 500_000_000),
        ("1970-01-01T01:00:00.0000000019+01:00", 1),
        ("1969-12-31T19:00:00-05:00", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2016-12-31T23:59:60Z", 1_483_228_799 * times.NANOSECONDS),
        ("0001-01-01T00:00:00Z", times.UNKNOWN),
    ],
)
def test_times_of_other_programs_are_understood(spelled: str, moment: int) -> None:
    assert times.parse(spelled) == moment


@pytest.mark.parametrize(
    "spelled",
    ["", "now", "1970-01-01", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z", "1970-01-01T00:00:00+99:00", "0000-01-01T00:00:00Z"],
)
def test_what_is_no_time_is_refused(spelled: str) -> None:
    with pytest.raises(InvalidArchive):
        times.parse(spelled)


def test_a_digest_is_known_by_its_bytes_and_refuses_other_forms() -> None:
    assert str(Digest.of(b"")) == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Digest.parse(ZERO) == Digest("0" * 64)
    for illegal in ("", "sha256", "0" * 64, ZERO + "\n", "sha256:" + "0" * 63, "sha512:" + "0" * 128):
        with pytest.raises(InvalidRequest):
            Digest.parse(illegal)
