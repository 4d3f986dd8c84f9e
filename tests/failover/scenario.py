"""A scenario: what is done to the database, and what has to come of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.failover.figures import Figures
from tests.failover.rig import Rig, Setup, build, judge
from tests.torture.checker import Violation
from tests.waiting import until


@dataclass(frozen=True)
class Scenario:
    """`seconds` is how long its fault lasts in `make failover`, or the load before and after it, unless SECONDS is
    given."""

    name: str
    run: Callable[[Rig], Awaitable[None]]
    setup: Setup = field(default_factory=Setup)
    seconds: float = 0


@dataclass(frozen=True)
class Outcome:
    """`problems` has everything that should not have happened, in words."""

    figures: Figures
    problems: list[str]


async def play(
    scenario: Scenario, folder: Path, *, seconds: float | None = None, database_timeout: float | None = None
) -> Outcome:
    """`database_timeout` is TENDON_DATABASE_TIMEOUT, if it is not that of the scenario."""
    setup = replace(scenario.setup, timeout=database_timeout or scenario.setup.timeout)
    async with build(folder, setup, scenario.seconds if seconds is None else seconds) as rig:
        await scenario.run(rig)
        figures, found = await judge(rig, scenario.name)
        return Outcome(figures, [*rig.problems, *_problems(figures, found)])


def _problems(figures: Figures, found: list[Violation]) -> list[str]:
    problems = [str(violation) for violation in found]
    if figures.sessions > figures.bound:
        problems.append(f"{figures.sessions} sessions at one server, of {figures.bound} that are allowed")
    if not figures.most:
        problems.append("no session was ever counted")
    if not figures.acknowledged:
        problems.append("no flow succeeded, so nothing was tested")
    return problems


@asynccontextmanager
async def exchanges_under_way(rig: Rig, number: int = 3) -> AsyncGenerator[None]:
    """The provider has been asked for so many tokens, and answers at the end of the block."""
    before = len(await rig.world.calls())

    async def are_there() -> bool:
        return len(await rig.world.calls()) >= before + number

    rig.world.line.hold_replies()
    try:
        with rig.disturbance("provider holds its replies"):
            await until(are_there, "exchanges under way")
            yield
    finally:
        rig.world.line.flow()
