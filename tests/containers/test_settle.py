"""From request and image to a container's settings."""

from typing import Any

import pytest

from podlink.engine.containers.found import Found
from podlink.engine.containers.networking import Networking
from podlink.engine.containers.request import HONOURED, CreateRequest, IDMap, IDMappingOptions, refuse_unbuilt
from podlink.engine.containers.settle import environment, settle
from podlink.engine.containers.users import find_user
from podlink.engine.containers.volumes import parse_tmpfs
from podlink.engine.errors import ErrorOccurred, InvalidRequest, NotHonoured
from podlink.engine.oci.spec.values import ContainerConfig, User

ID = "4f1d" * 16
PASSWD = [row.split(":") for row in ("root:x:0:0:root:/root:/bin/sh", "ada:x:1000:1001::/home:/bin/sh")]
GROUPS = [row.split(":") for row in ("root:x:0:", "staff:x:1001:", "wheel:x:10:root,ada")]


def settled(image: dict[str, Any] | None = None, **fields: Any) -> ContainerConfig:
    return settle(CreateRequest(**fields), image or {}, ID, "thishost")


SHARED = Found(networking=Networking(net_mode="host"))


@pytest.mark.parametrize(
    ("image", "fields", "args"),
    [
        ({"Cmd": ["/bin/sh"]}, {}, ("/bin/sh",)),
        ({"Cmd": ["/bin/sh"]}, {"command": ["ls", "-l"]}, ("ls", "-l")),
        ({"Entrypoint": ["/entry"], "Cmd": ["serve"]}, {}, ("/entry", "serve")),
        ({"Entrypoint": ["/entry"], "Cmd": ["serve"]}, {"command": ["help"]}, ("/entry", "help")),
        ({"Entrypoint": ["/entry"], "Cmd": ["serve"]}, {"entrypoint": ["/other"]}, ("/other", "serve")),
        ({"Entrypoint": ["/entry"], "Cmd": ["serve"]}, {"entrypoint": [""]}, ("serve",)),
        ({"Entrypoint": ["/entry"]}, {}, ("/entry",)),
    ],
)
def test_init_runs_the_entrypoint_then_the_command(image: dict[str, Any], fields: dict[str, Any], args: tuple[str, ...]) -> None:
    assert settled(image, **fields).args == args


def test_the_environment_is_what_all_have_then_the_images_then_the_requests() -> None:
    env = dict(
        entry.partition("=")[::2] for entry in environment(["A=image", "B=image", "PATH=/image"], {"B": "asked", "C": ""}, "h")
    )
    assert env == {"PATH": "/image", "TERM": "xterm", "HOSTNAME": "h", "container": "podman", "A": "image", "B": "asked", "C": ""}


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "command"),
        ({"command": [""]}, "command"),
        ({"command": ["a\0b"]}, "command"),
        ({"command": ["a"], "work_dir": "relative"}, "work_dir"),
        ({"command": ["a"], "name": "-dash"}, "name"),
        ({"command": ["a"], "name": "a b"}, "name"),
        ({"command": ["a"], "hostname": "h" * 65}, "hostname"),
        ({"command": ["a"], "hostname": "a/b"}, "hostname"),
        ({"command": ["a"], "env": {"A=B": "c"}}, "env"),
        ({"command": ["a"], "env": {"": "c"}}, "env"),
        ({"command": ["a"], "env": {"A": "c\0"}}, "env"),
        ({"command": ["a"], "stop_signal": 65}, "stop_signal"),
        ({"command": ["a"], "stop_signal": -1}, "stop_signal"),
        ({"command": ["a"], "stop_timeout": -1}, "stop_timeout"),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_name_of_its_field(fields: dict[str, Any], word: str) -> None:
    with pytest.raises(ErrorOccurred) as refusal:
        settled(**fields)
    assert str(refusal.value).startswith(word)


@pytest.mark.parametrize(
    ("said", "number"), [("SIGQUIT", 3), ("quit", 3), ("15", 15), ("SIGRTMIN+3", 37), ("RTMAX-1", 63), ("", 15)]
)
def test_the_images_stop_signal_is_a_name_or_a_number(said: str, number: int) -> None:
    assert settled({"StopSignal": said, "Cmd": ["a"]}).stop_signal == number
    assert settled({"StopSignal": said, "Cmd": ["a"]}, stop_signal=10).stop_signal == 10


def test_an_unknown_stop_signal_of_the_image_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="SIGBOGUS"):
        settled({"StopSignal": "SIGBOGUS", "Cmd": ["a"]})


def test_the_host_name_is_the_short_id_or_the_hosts_where_its_network_is_shared() -> None:
    assert settled(command=["a"]).hostname == ID[:12]
    for asked, name in (("", "thishost"), ("own", "own")):
        request = CreateRequest(command=["a"], hostname=asked)
        assert settle(request, {}, ID, "thishost", SHARED).hostname == name


def zero_and_other() -> list[tuple[str, Any]]:
    """A value that is not the zero value for each field of Create."""
    others: dict[str, Any] = {"id_mappings": IDMappingOptions(uid_map=IDMap(size=1))}
    samples: dict[type, Any] = {str: "x", bool: True, int: 1, float: 1.5, tuple: ("x",), dict: {"x": "y"}}
    zero = CreateRequest()
    names = [name for name in CreateRequest.__dataclass_fields__ if name not in HONOURED]
    return [(name, others.get(name, samples.get(type(getattr(zero, name))))) for name in names]


@pytest.mark.parametrize(("name", "value"), zero_and_other())
def test_a_field_that_is_not_honoured_yet_is_refused_by_name(name: str, value: Any) -> None:
    refuse_unbuilt(CreateRequest())
    with pytest.raises(NotHonoured) as refusal:
        refuse_unbuilt(CreateRequest(**{name: value}))
    assert refusal.value.field.startswith(name)


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("", User()),
        ("root", User(additional_gids=(10,))),
        ("ada", User(uid=1000, gid=1001, additional_gids=(10,))),
        ("1000", User(uid=1000, gid=1001, additional_gids=(10,))),
        ("ada:root", User(uid=1000, gid=0)),
        ("ada:7", User(uid=1000, gid=7)),
        ("5:6", User(uid=5, gid=6)),
        ("5", User(uid=5)),
        (":staff", User(gid=1001)),
    ],
)
def test_users_are_found_in_the_images_own_files(text: str, user: User) -> None:
    if text == "":
        user = User(additional_gids=(10,))
    assert find_user(text, PASSWD, GROUPS) == user


@pytest.mark.parametrize("text", ["nobody", "ada:nogroup", "4294967295", "0:4294967295", "-1", "\u0663"])
def test_an_unknown_user_or_group_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="user"):
        find_user(text, PASSWD, GROUPS)


def test_an_image_without_passwd_runs_by_numbers() -> None:
    assert find_user("", [], []) == User()
    assert find_user("12:34", [], []) == User(uid=12, gid=34)


@pytest.mark.parametrize("option", ["size=64k", "size=0", f"size={2**63 - 1}", "size=200%", "nr_inodes=9", f"uid={2**32 - 2}"])
def test_a_size_that_the_kernel_can_count_to_is_passed_on(option: str) -> None:
    assert parse_tmpfs([f"/scratch:{option}"])[0].options[0] == option


@pytest.mark.parametrize(
    "option",
    [f"size={2**64}", f"size={2**34}g", f"size={2**63}", f"nr_blocks={2**34}G", f"nr_inodes={2**64 + 5}", "uid=4294967295"],
)
def test_a_size_of_which_the_kernel_would_take_the_remainder_is_refused_by_name(option: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^tmpfs: '{option}' in '/scratch:mode=700,{option}' is more than there can be$"):
        parse_tmpfs([f"/scratch:mode=700,{option}"])


@pytest.mark.parametrize("option", ["nr_inodes=5%", "size=10000%", "size=k", "size=\u0663", f"size={'9' * 50}", "size=-1"])
def test_what_is_no_size_is_refused_by_name(option: str) -> None:
    with pytest.raises(InvalidRequest, match=r"is not an option of tmpfs\(5\)"):
        parse_tmpfs([f"/scratch:{option}"])
