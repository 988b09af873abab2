"""Every case of fixtures/spec is rebuilt and compared, whole."""

import golden_cases
import pytest


@pytest.mark.parametrize("case", golden_cases.cases())
def test_the_document_is_the_one_that_was_agreed_upon(case: str) -> None:
    assert golden_cases.built(case) == golden_cases.recorded(case)


def test_there_is_a_case_for_each_kind_of_container() -> None:
    assert {"default", "cgroup-v1", "aarch64", "host-network", "privileged", "read-only-with-limits"} <= set(golden_cases.cases())
