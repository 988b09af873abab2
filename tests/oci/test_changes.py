"""Changes to an image's configuration, as ImportImage and Commit take them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlink.engine.errors import InvalidRequest
from podlink.engine.oci.image.changes import apply_changes
from podlink.engine.oci.image.config import Execution

INHERITED = Execution(
    user="bozo",
    env=("A=1", "B=2"),
    exposed_ports=("80",),
    labels={"a": "1"},
    volumes=("/data",),
    working_dir="/srv",
    cmd=("old",),
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("CMD=/bin/sh", Execution(cmd=("/bin/sh",))),
        ("CMD=/bin/sh -c date", Execution(cmd=("/bin/sh -c date",))),
        ("CMD /bin/sh", Execution(cmd=("/bin/sh",))),
        ('CMD=["/bin/sh", "-c", "date"]', Execution(cmd=("/bin/sh", "-c", "date"))),
        ('CMD ["/bin/sh"]', Execution(cmd=("/bin/sh",))),
        ("CMD=", Execution()),
        ("CMD []", Execution()),
        ("ENTRYPOINT=/bin/sh date", Execution(entrypoint=("/bin/sh date",))),
        ('ENTRYPOINT ["/bin/sh","date"]', Execution(entrypoint=("/bin/sh", "date"))),
        ("ENV=A=B", Execution(env=("A=B",))),
        ("ENV=A=B=C", Execution(env=("A=B=C",))),
        ("ENV=A=", Execution(env=("A=",))),
        ("ENV A=b c", Execution(env=("A=b c",))),
        ("ENV A b", Execution(env=("A=b",))),
        ("env A=b", Execution(env=("A=b",))),
        ("EXPOSE=80", Execution(exposed_ports=("80",))),
        ("EXPOSE 80/tcp 53/udp", Execution(exposed_ports=("80/tcp", "53/udp"))),
        ("EXPOSE=8000-8010", Execution(exposed_ports=("8000-8010",))),
        ("LABEL=unittest=test_commit", Execution(labels={"unittest": "test_commit"})),
        ("LABEL=a=b=c", Execution(labels={"a": "b=c"})),
        ("LABEL=alone", Execution(labels={"alone": ""})),
        ("LABEL author me and you", Execution(labels={"author": "me and you"})),
        ("STOPSIGNAL=SIGKILL", Execution(stop_signal="SIGKILL")),
        ("STOPSIGNAL 9", Execution(stop_signal="9")),
        ("STOPSIGNAL SIGRTMIN+3", Execution(stop_signal="SIGRTMIN+3")),
        ("USER=bozo:circus", Execution(user="bozo:circus")),
        ("VOLUME=/data", Execution(volumes=("/data",))),
        ('VOLUME ["/data", "/more"]', Execution(volumes=("/data", "/more"))),
        ("WORKDIR=/data/application", Execution(working_dir="/data/application")),
        ("WORKDIR data/", Execution(working_dir="/data")),
    ],
)
def test_a_change_says_one_thing(change: str, expected: Execution) -> None:
    assert apply_changes(Execution(), [change]) == expected


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        (["ENV=C=3", "ENV=D=4"], "env", ("C=3", "D=4")),
        (["ENV=C=3", "ENV=C=4"], "env", ("C=4",)),
        (["EXPOSE=81", "EXPOSE=82"], "exposed_ports", ("81", "82")),
        (["LABEL=b=2", "LABEL=c=3"], "labels", {"b": "2", "c": "3"}),
        (["VOLUME=/x", "VOLUME=/y", "VOLUME=/x"], "volumes", ("/x", "/y")),
        (["WORKDIR=app"], "working_dir", "/srv/app"),
        (["CMD=a", "CMD=b"], "cmd", ("b",)),
        (["USER="], "user", ""),
        ([], "env", ("A=1", "B=2")),
    ],
)
def test_the_first_of_a_collection_replaces_what_was_inherited(changes: list[str], field: str, expected: object) -> None:
    assert getattr(apply_changes(INHERITED, changes), field) == expected


def test_a_change_leaves_what_it_does_not_speak_of() -> None:
    changed = apply_changes(INHERITED, ["ENV=C=3"])
    assert (changed.labels, changed.exposed_ports, changed.volumes, changed.cmd) == ({"a": "1"}, ("80",), ("/data",), ("old",))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("ADD=x /", "unknown instruction 'ADD'"),
        ("", "unknown instruction ''"),
        ("=x", "unknown instruction '=x'"),
        ("CMD", "CMD=VALUE"),
        ("CMD=[1]", "JSON array"),
        ("CMD=[", "JSON array"),
        ("CMD=" + "[" * 100_000, "JSON array"),
        ("CMD=a\0b", "NUL"),
        ("ENV=A", "ENV=NAME=VALUE"),
        ("ENV==b", "has no name"),
        ("LABEL=", "has no name"),
        ("EXPOSE=http", "EXPOSE 'http'"),
        ("EXPOSE=", "EXPOSE ''"),
        ("EXPOSE=0", "EXPOSE '0'"),
        ("EXPOSE=70000", "EXPOSE '70000'"),
        ("EXPOSE=90-80", "EXPOSE '90-80'"),
        ("STOPSIGNAL=SIGNONE", "STOPSIGNAL 'SIGNONE'"),
        ("STOPSIGNAL=0", "STOPSIGNAL '0'"),
        ("STOPSIGNAL=SIGRTMIN+99", "STOPSIGNAL"),
        ("VOLUME=data", "VOLUME 'data'"),
        ("VOLUME=", "VOLUME ''"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_by_name(change: str, says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        apply_changes(Execution(), [change])
    assert says in caught.value.reason


@given(st.text(max_size=30))
def test_any_text_is_a_change_or_refused(change: str) -> None:
    try:
        assert isinstance(apply_changes(INHERITED, [change]), Execution)
    except InvalidRequest as refusal:
        assert refusal.reason.startswith("changes: ")


@given(st.text("ab=\t [\"'$\\", min_size=1, max_size=20).map(str.strip).filter(lambda value: value and value[0] != "="))
def test_the_value_of_a_variable_is_taken_as_it_stands(value: str) -> None:
    assert apply_changes(Execution(), [f"ENV=A={value}"]).env == (f"A={value}",)
