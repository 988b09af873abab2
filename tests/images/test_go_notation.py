"""Times and durations as Go's programs write them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlink.api.podman.convert import compact, go_duration, go_time, go_uptime

SIZES = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "µs": 10**3, "ns": 1}


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (999, "999ns"),
        (1_000, "1µs"),
        (1_500, "1.5µs"),
        (999_999, "999.999µs"),
        (1_000_000, "1ms"),
        (42_064_186, "42.064186ms"),
        (100_000_000, "100ms"),
        (999_999_999, "999.999999ms"),
        (1_000_000_000, "1s"),
        (1_000_000_001, "1.000000001s"),
        (59_900_000_000, "59.9s"),
        (60_000_000_000, "1m0s"),
        (69_460_888_691, "1m9.460888691s"),
        (3_600_000_000_000, "1h0m0s"),
        (10_800_500_000_000, "3h0m0.5s"),
        (90_000_000_000_000, "25h0m0s"),
        (-1_500_000_000, "-1.5s"),
        (-1, "-1ns"),
    ],
)
def test_a_duration_is_told_in_the_units_of_its_size(nanoseconds: int, text: str) -> None:
    assert go_duration(nanoseconds) == text


@given(st.integers(0, 2**63 - 1))
def test_no_nanosecond_of_a_duration_is_lost(nanoseconds: int) -> None:
    total = 0
    for whole, fraction, unit in re.findall(r"(\d+)(?:\.(\d+))?(h|ms|µs|ns|m|s)", go_duration(nanoseconds)):
        size = SIZES[unit]
        total += int(whole) * size + (int(fraction) * size // 10 ** len(fraction) if fraction else 0)
    assert total == nanoseconds


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (1_795_424_032_567_919_676, "2026-11-23 08:53:52.567919676 +0000 UTC"),
        (1_795_424_032_567_900_000, "2026-11-23 08:53:52.5679 +0000 UTC"),
        (1_795_424_032_000_000_000, "2026-11-23 08:53:52 +0000 UTC"),
        (1_795_424_032_000_000_010, "2026-11-23 08:53:52.00000001 +0000 UTC"),
        (0, "1970-01-01 00:00:00 +0000 UTC"),
        (-1, "1969-12-31 23:59:59.999999999 +0000 UTC"),
        (-62_135_596_800_000_000_000, "0001-01-01 00:00:00 +0000 UTC"),
    ],
)
def test_a_moment_is_told_in_utc_without_the_zeros_at_its_end(nanoseconds: int, text: str) -> None:
    assert go_time(nanoseconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (7850.75, "2h 10m 50.75s (Approximately 0.08 days)"),
        (59.5, "59.5s"),
        (61.0, "1m 1s"),
        (172_800.0, "48h 0m 0s (Approximately 2.00 days)"),
    ],
)
def test_the_uptime_also_tells_its_days(seconds: float, text: str) -> None:
    assert go_uptime(seconds) == text


def test_a_document_travels_without_white_space() -> None:
    assert compact({"a": ["ü", None], "b": {}}) == '{"a":["ü",null],"b":{}}'
