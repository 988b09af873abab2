"""Somebody's own client, a pool of workers, walked at random by Hypothesis and held to what it believes of itself."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from podlink import Engine, VirtualClock
from podlink.engine.errors import RuntimeFailed


class Pool:
    """The client under test: it keeps some workers running."""

    def __init__(self, engine: Engine, image: str) -> None:
        self._engine, self._image = engine, image
        self.workers: list[str] = []

    def grow(self, number: int) -> None:
        for _ in range(number):
            worker = self._engine.containers.create(image=self._image, command=["sleep", "3600"], labels={"pool": "workers"})
            try:
                worker.start()
            except RuntimeFailed:
                worker.remove(force=True)
                raise
            self.workers.append(worker.id)

    def shrink(self) -> None:
        worker = self._engine.containers.get(self.workers.pop())
        worker.stop(timeout=10)
        worker.remove()

    def heal(self) -> None:
        """Start again whoever has ended."""
        for worker in self.workers:
            container = self._engine.containers.get(worker)
            if container.summary().container.status == "exited":
                container.start()


class Walk(RuleBasedStateMachine):
    """Hours pass in no time, and at each run the same ones do."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock(auto=True)
        self.engine = Engine.emulated(seed=0, clock=self.clock)
        self.pool = Pool(self.engine, self.engine.images.build_from({}, userland=True))

    @rule(number=st.integers(1, 3))
    def grow(self, number: int) -> None:
        self.pool.grow(number)

    @precondition(lambda self: self.pool.workers)
    @rule()
    def shrink(self) -> None:
        self.pool.shrink()

    @rule(hours=st.integers(1, 3))
    def hours_pass(self, hours: int) -> None:
        self.clock.advance(hours * 3600)
        self.pool.heal()

    @rule()
    def nothing_can_be_started(self) -> None:
        with self.engine.faults.fail("runtime.run"), pytest.raises(RuntimeFailed):
            self.pool.grow(1)

    @invariant()
    def every_worker_runs_and_nobody_else(self) -> None:
        running = {each.container.id for each in self.engine.containers.list() if each.container.status == "running"}
        assert running == set(self.pool.workers) == {each.container.id for each in self.engine.containers.list()}

    def teardown(self) -> None:
        self.engine.close()


TestPool = Walk.TestCase
TestPool.settings = settings(max_examples=5, stateful_step_count=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
