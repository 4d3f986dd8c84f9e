"""What a scenario happens in: a pair of servers, processes of Tendon, callers, and a count of sessions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.failover.figures import Figures
from tests.failover.load import Load
from tests.failover.losses import violations_beside_losses
from tests.failover.pair import Pair
from tests.failover.watching import Watch
from tests.processes import Process
from tests.torture import trial
from tests.torture.checker import Violation, violations
from tests.torture.history import OK
from tests.torture.reading import read
from tests.torture.world import World, opened
from tests.waiting import until

Way = Callable[[Pair, Path], AbstractAsyncContextManager[str]]
"""How Tendon reaches the pair. Yields the URL of the database; the folder is for files."""


@asynccontextmanager
async def by_line(pair: Pair, folder: Path) -> AsyncGenerator[str]:
    """One address, which leads to the current primary, and can be broken."""
    yield pair.url_to(pair.line.port)


@dataclass(frozen=True)
class Setup:
    """`pool` is the limit of each worker of the `processes`, and `server` are settings of both servers."""

    way: Way = by_line
    standby: bool = True
    synchronous: bool = False
    processes: int = 2
    workers: int = 1
    pool: int = 8
    timeout: float = 5
    server: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def bound(self) -> int:
        """The sessions that all processes may have: their pools, and one each to look after those."""
        return self.processes * self.workers * (self.pool + 1)


@dataclass
class Rig:
    """`seconds` is how long the scenario's fault lasts, where a scenario leaves that open."""

    folder: Path
    setup: Setup
    pair: Pair
    world: World
    load: Load
    watch: Watch
    seconds: float
    until_judged: ExitStack
    """What a scenario needs until all has been read."""
    lossy: tuple[float, float] | None = None
    """When commits may have been lost, in seconds of the history."""
    notes: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])

    def disturbance(self, kind: str) -> Any:
        """Notes a fault that lasts as long as the block. Whatever fails meanwhile may be due to it."""
        return self.load.history.disturbance(kind)

    @property
    def processes(self) -> Sequence[Process]:
        return self.world.gateways

    async def work(self) -> None:
        """Wait until some more flows have succeeded."""
        goal = self.successes + 5
        await until(lambda: self.successes >= goal, "flows that succeed")

    async def work_on(self) -> None:
        """The same, for as long as the scenario lasts."""
        await asyncio.sleep(self.seconds)
        await self.work()

    @property
    def successes(self) -> int:
        return sum(one.action == "callback" and one.answer.outcome == OK for one in self.load.history.operations)

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(one.answer.outcome for one in self.load.history.operations)

    @property
    def failures(self) -> int:
        return self.outcomes.total() - self.outcomes[OK]

    async def recover(self) -> None:
        """Wait until each process serves again: three flows in a row succeed at each, without a second try."""
        for gateway in self.world.gateways:
            self.load.entrance = gateway
            await until(self._serves, f"{gateway.name} to serve again")
        self.load.entrance = None

    async def _serves(self) -> bool:
        return await self.load.flows(3) == 0


@asynccontextmanager
async def build(folder: Path, setup: Setup, seconds: float) -> AsyncGenerator[Rig]:
    async with Pair.opened(standby=setup.standby, **setup.server) as pair, setup.way(pair, folder) as pair.url:
        if setup.synchronous:
            await pair.wait_for_standby()
        settings = {"TENDON_DATABASE_POOL": str(setup.pool), "TENDON_DATABASE_TIMEOUT": str(setup.timeout)}
        processes, workers = setup.processes, setup.workers
        async with opened(folder, pair, gateways=processes, workers=workers, migrated=True, changes=settings) as world:
            await world.forget()
            watch = Watch(pair.servers)
            watch.start()
            try:
                with ExitStack() as until_judged:
                    yield Rig(folder, setup, pair, world, Load(world), watch, seconds, until_judged)
            finally:
                await asyncio.to_thread(watch.stop)


async def judge(rig: Rig, name: str) -> tuple[Figures, list[Violation]]:
    """After the scenario: wait until everything works, send every callback once more, and compare what was answered
    with what the provider and the database say."""
    ended = rig.load.history.now()
    await rig.recover()
    settled = rig.load.history.now()
    await trial.send_all_again(rig.load.people, rig.load.history)
    record = await read(rig.world, rig.load.history, settled)
    watch, bound = rig.watch, rig.setup.bound
    figures = Figures.of(name, record, ended, sessions=watch.lasting, most=watch.most, bound=bound)
    figures.notes.extend(rig.notes)
    return figures, violations(record) if rig.lossy is None else violations_beside_losses(record, *rig.lossy)
