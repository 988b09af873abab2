"""Which capabilities a container gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlink.engine.errors import InvalidRequest, NotHonoured
from podlink.engine.linux.capabilities import NAMES, named
from podlink.engine.oci.spec.capabilities import DEFAULT, Granted, resolve, sets

EVERY = frozenset(NAMES)
some_names = st.frozensets(st.sampled_from(NAMES))


def test_without_a_word_a_container_gets_the_default_set() -> None:
    granted = resolve((), (), False, EVERY)
    assert set(granted.bounding) == DEFAULT
    assert granted.added == ()


@pytest.mark.parametrize("word", ["NET_RAW", "net_raw", "CAP_NET_RAW", "cap_net_raw", "Cap_Net_Raw"])
def test_a_name_goes_with_and_without_its_prefix_in_any_case(word: str) -> None:
    assert resolve((word,), (), False, EVERY).added == ("CAP_NET_RAW",)


def test_all_adds_everything_less_what_is_dropped() -> None:
    assert set(resolve(("all",), ("SYS_MODULE",), False, EVERY).bounding) == EVERY - {"CAP_SYS_MODULE"}


def test_dropping_all_leaves_only_what_is_added() -> None:
    assert resolve(("KILL",), ("ALL",), False, EVERY).bounding == ("CAP_KILL",)


@pytest.mark.parametrize("field", ["cap_add", "cap_drop"])
def test_an_unknown_name_is_refused_with_its_field_and_value(field: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"^{field}: 'FLY' is not a capability"):
        resolve(("FLY",) if field == "cap_add" else (), ("FLY",) if field == "cap_drop" else (), False, EVERY)


def test_a_name_both_added_and_dropped_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="CAP_KILL is also in cap_drop"):
        resolve(("KILL",), ("cap_kill",), False, EVERY)


def test_one_that_the_host_lacks_is_refused_when_asked_for_by_name() -> None:
    with pytest.raises(NotHonoured, match="CAP_SYS_RESOURCE") as refusal:
        resolve(("SYS_RESOURCE",), (), False, EVERY - {"CAP_SYS_RESOURCE"})
    assert refusal.value.field == "cap_add"


def test_a_privileged_container_gets_what_the_host_has_less_what_is_dropped() -> None:
    available = EVERY - {"CAP_SYS_RESOURCE"}
    assert set(resolve((), ("SYS_BOOT",), True, available).bounding) == available - {"CAP_SYS_BOOT"}


@given(add=some_names, drop=some_names, available=some_names, privileged=st.booleans())
def test_nothing_is_granted_that_the_host_lacks_or_that_was_dropped(
    add: frozenset[str], drop: frozenset[str], available: frozenset[str], privileged: bool
) -> None:
    granted = resolve((add & available) - drop, drop, privileged, available)
    assert set(granted.bounding) <= available - drop
    assert set(granted.added) <= set(granted.bounding)


def test_root_holds_all_at_once_and_inherits_nothing() -> None:
    result = sets(Granted(("CAP_CHOWN", "CAP_KILL"), ("CAP_KILL",)), uid=0)
    assert result["effective"] == result["permitted"] == ["CAP_CHOWN", "CAP_KILL"]
    assert result["inheritable"] == result["ambient"] == []


def test_another_user_holds_only_what_was_added_by_name() -> None:
    result = sets(Granted(("CAP_CHOWN", "CAP_KILL"), ("CAP_KILL",)), uid=1000)
    assert result["bounding"] == ["CAP_CHOWN", "CAP_KILL"]
    assert result["effective"] == result["permitted"] == result["inheritable"] == result["ambient"] == ["CAP_KILL"]


def test_a_mask_is_read_by_bits_and_unknown_bits_have_no_name() -> None:
    assert named(0b100001) == {"CAP_CHOWN", "CAP_KILL"}
    assert named(1 << len(NAMES)) == frozenset()
