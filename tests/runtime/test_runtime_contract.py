"""One contract for whatever runs containers: the emulator is held to it, and so is runc, which is the reason to believe it."""

import pytest

from podlink.engine.testing.runtime import CONTRACT, Clause
from podlink.engine.testing.stage import Stage


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_the_contract_of_the_runtime(stage: Stage, clause: Clause) -> None:
    clause(stage)
