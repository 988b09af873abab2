"""The same seed and clock make the same engine, wherever it runs: IDs, addresses, randomness, the machine and the images."""

import os
import platform
from typing import Any

import pytest

from podlink import Engine, VirtualClock

SCRIPT = "head -c 8 /dev/urandom | wc -c; cat /dev/urandom | head -c 32; hostname; uname -r; date"


def everything(seed: int | None, clock: VirtualClock | None) -> dict[str, Any]:
    """What two engines may differ in."""
    named = {"clock": clock} if clock else {}
    with Engine.emulated(seed=seed, **named) as engine:
        image = engine.images.build_from({"/x": b"x"}, {"Env": ["PATH=/bin"]}, "web", userland=True)
        container = engine.containers.create(image="web", command=["sh", "-c", SCRIPT])
        container.start()
        container.wait()
        server = engine.containers.create(image="web", command=["sleep", "9"])
        server.start()
        row = server.summary()
        assert row.lease is not None
        return {
            "image": image,
            "containers": [(each.container.id, each.container.name, each.container.pid) for each in engine.containers.list()],
            "logs": container.logs(),
            "boot": row.container.boot,
            "network": engine.networks.list()[0].subnet6,
            "addresses": (row.lease.address, row.lease.address6, row.lease.mac),
            "commit": server.commit("kept") if clock else "",
            "stats": (server.stats().cpu, server.stats().memory) if clock else "",
            "namespaces": row.namespaces,
        }


def test_the_same_seed_and_clock_make_the_same_engine() -> None:
    assert everything(5, VirtualClock()) == everything(5, VirtualClock())


def test_another_seed_makes_another_one() -> None:
    one, other = everything(5, VirtualClock()), everything(6, VirtualClock())
    assert one["image"] == other["image"]  # an image is its content and its date
    for what in ("containers", "logs", "boot", "network"):
        assert one[what] != other[what], what


def test_without_a_clock_dates_are_real_and_the_rest_is_the_seeds() -> None:
    one, other = everything(5, None), everything(5, None)
    assert one["image"] != other["image"]
    for what in ("containers", "boot", "network", "addresses", "namespaces"):
        assert one[what] == other[what], what


def test_the_machine_is_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 77)
    monkeypatch.setattr(platform, "node", lambda: "really")
    clock = VirtualClock()
    with Engine.emulated(clock=clock) as engine:
        clock.advance(90)
        found = engine.system.info()
        assert (found.cpus, found.hostname, found.kernel, found.system, found.uptime) == (4, "emulated", "6.1.0", "linux", 90.0)
        assert (found.memory_total, found.memory_free, found.swap_total) == (8 * 2**30, 6 * 2**30, 0)
        assert found.architecture == "amd64"
        image = engine.images.build_from({}, userland=True)
        assert engine.containers.run(image, ["hostname"], uts_mode="host").logs == ["emulated\n"]
