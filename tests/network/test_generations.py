"""While nobody changed a rule of the host, none of ours is missing: then nothing is listed. Whatever changes is noticed."""

from typing import Any

import pytest
import world

from podlink.engine.network.generation import generation
from podlink.engine.network.kernel import KernelGround

pytestmark = pytest.mark.needs("root", "runc", "overlay", "nft")


def test_each_change_of_anybodys_rules_is_another_generation() -> None:
    before = generation()
    assert before > 0 and generation() == before
    world.HERE.run("nft", "add", "table", "inet", "theirs")
    try:
        assert generation() == before + 1
        world.HERE.run("nft", "list", "ruleset")
        assert generation() == before + 1
    finally:
        world.HERE.run("nft", "delete", "table", "inet", "theirs")


def test_rules_are_listed_only_where_somebody_else_changed_some(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = []
    look = KernelGround._seen
    monkeypatch.setattr(KernelGround, "_seen", lambda self, *options: listed.append(options) or look(self, *options))
    site.run("sleep", "1000")
    site.run("sleep", "1000")
    listed.clear()
    site.run("sleep", "1000")
    site.run("sleep", "1000", publish=["8080:80"]).stop(0)
    site.run("sleep", "1000")
    assert listed == [], "ours were the only changes"
    world.HERE.run("nft", "flush", "ruleset")
    site.run("sleep", "1000")
    assert len(listed) == 1 and "masquerade" in world.ruleset()
    site.run("sleep", "1000")
    site.run("sleep", "1000")
    assert len(listed) == 2 and site.engine.networks.troubles() == []
