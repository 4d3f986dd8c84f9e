"""What is explored: who acts, how often, and what goes wrong. Each scenario is played with several providers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from tests.model import properties
from tests.model.exploration import Exploration, Outcome
from tests.model.provider import (
    BEHAVIOURS,
    GRANT,
    LENIENT_GRACE,
    REUSABLE,
    REUSE_REFUSED,
    REUSE_REVOKES,
    REVOCATIONS,
    STRICT_GRACE,
    TOKEN,
    UNTIL_USED,
    WIDE,
    Provider,
)
from tests.model.rules import RULES, Assumptions, Rules
from tests.model.state import (
    ABSENT,
    CONNECTED,
    LIVING,
    Budget,
    Callback,
    Deliverer,
    Family,
    Refresher,
    Row,
    State,
)
from tests.model.world import World

SOME: Final = (REUSABLE, REUSE_REFUSED, REUSE_REVOKES, STRICT_GRACE, UNTIL_USED)
"""Behaviours that differ once connections end."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """`window` has the properties that it may break: the windows that no rule closes."""

    name: str
    budget: Budget
    behaviours: tuple[str, ...] = BEHAVIOURS
    revocations: tuple[str, ...] = (TOKEN,)
    assumptions: Assumptions = field(default_factory=Assumptions)
    window: frozenset[str] = frozenset()
    refreshers: int = 2
    callbacks: int = 1
    deliverers: int = 1
    bob: bool = False
    first: str = CONNECTED
    refresh_token: bool = True
    one_grant: bool = False
    same_access: bool = False
    live: bool = False
    """Whether to check that everybody can succeed in the end."""

    def providers(self) -> Iterator[Provider]:
        for behaviour in self.behaviours:
            for revocation in self.revocations:
                yield Provider(behaviour, revocation, self.one_grant, self.same_access)

    def start(self) -> State:
        first = Row(self.first, version=1 if self.first == CONNECTED else 0)
        families: list[Family] = []
        rows = [first]
        if self.first != ABSENT:
            rows = [first._replace(access=1, refresh=1 if self.refresh_token else 0, granted=1)]
            families.append(Family("", (1,) if self.refresh_token else (), (), 1, access_expired=True))
        if self.bob:
            token = len(families) + 1
            rows.append(Row(CONNECTED, access=token, refresh=token, granted=token, fresh=True))
            families.append(Family("", (token,), (), token))
        return State(
            tuple(rows),
            tuple(families),
            (0, *range(len(families))),
            self.budget,
            (Refresher(),) * self.refreshers,
            (Callback(),) * self.callbacks,
            (Deliverer(),) * self.deliverers,
        )

    def explore(self, provider: Provider, rules: Rules = RULES, *, until: str | None = None) -> Outcome:
        exploration = Exploration(World(rules, provider, self.assumptions), self.start())
        outcome = exploration.run(until=until, remember=self.live)
        if self.live and until in {None, properties.CAN_SUCCEED}:
            stuck = exploration.can_always(_all_done)
            if stuck is not None:
                outcome.violations[properties.CAN_SUCCEED] = stuck
        return outcome


def _all_done(state: State) -> bool:
    """Everybody who wanted to connect is, and a revocation is pending only while a connection stands on the account."""
    budget = state.budget
    waits = state.revocations and not any(row.status in LIVING for row in state.rows)
    return properties.is_at_rest(state) and not (waits or budget.connects or budget.connects_of_bob)


def judged(scenario: Scenario, outcome: Outcome) -> dict[str, list[str]]:
    """The violations that are no window of this scenario."""
    return {name: trace for name, trace in outcome.violations.items() if name not in scenario.window}


def scenario(name: str, **values: object) -> Scenario:
    """A scenario, with what it allows to happen by the names of `Budget`, and the rest by those of `Scenario`."""
    budget = {key: values.pop(key) for key in list(values) if key in Budget._fields}
    return Scenario(name, Budget(**budget), **values)  # pyright: ignore[reportArgumentType]


_LOST = frozenset({properties.NEWEST, properties.NO_REUSE})
_LEFT = frozenset({properties.NOTHING_LEFT})

SCENARIOS: Final[tuple[Scenario, ...]] = (
    scenario("refreshing", asked=4, expiries=2, refusals=1, reseals=1, doubts=1),
    scenario("the user ends the grant", asked=4, expiries=1, refusals=1, failing=1, ends_by_user=1, doubts=1),
    scenario("resealing with two keys", asked=2, expiries=1, reseals=2),
    scenario("processes die, requests are never handled", asked=5, crashes=2, timeouts=2),
    scenario("processes die, a third one comes", asked=4, crashes=1, timeouts=1, refreshers=3),
    scenario(
        "answers are lost",
        asked=5,
        crashes=1,
        timeouts=1,
        assumptions=Assumptions(answers_lost=True),
        window=_LOST,
    ),
    scenario(
        "answers are lost, the grace is too short",
        behaviours=(STRICT_GRACE, LENIENT_GRACE, UNTIL_USED),
        asked=5,
        crashes=1,
        timeouts=1,
        assumptions=Assumptions(answers_lost=True, grace_too_short=True),
        window=_LOST,
    ),
    scenario("stray refreshes", asked=5, crashes=1, timeouts=1, assumptions=Assumptions(strays=True), window=_LOST),
    scenario("processes stand still before they send", asked=5, pauses=2, crashes=1),
    scenario(
        "processes stand still with an answer",
        asked=5,
        pauses=1,
        assumptions=Assumptions(pauses=("sent", "answered"), in_order=True),
        window=frozenset({properties.NO_REUSE, properties.NOT_KILLED}),
    ),
    scenario(
        "processes stand still with an answer, handled in any order",
        behaviours=(STRICT_GRACE,),
        asked=5,
        pauses=1,
        assumptions=Assumptions(pauses=("sent", "answered")),
        window=frozenset({properties.NEWEST}),
    ),
    scenario("the access token comes again", behaviours=(REUSABLE,), asked=4, expiries=1, same_access=True),
    scenario("no refresh token", behaviours=(REUSABLE,), asked=2, disconnects=1, refresh_token=False, window=_LEFT),
    scenario(
        "two callbacks overlap",
        behaviours=(REUSABLE, REUSE_REVOKES),
        revocations=REVOCATIONS,
        asked=1,
        connects=2,
        disconnects=1,
        callbacks=2,
        refreshers=1,
    ),
    scenario(
        "two callbacks overlap, one grant an account",
        behaviours=(REUSABLE, REUSE_REVOKES),
        asked=1,
        connects=2,
        callbacks=2,
        one_grant=True,
        window=frozenset({properties.NOT_MARKED}),
    ),
    scenario(
        "the previous version stores a grant",
        behaviours=SOME,
        asked=3,
        expiries=1,
        timeouts=1,
        connects_by_previous=1,
        # It leaves the refresh columns as they are, and doesn't revoke what it replaces.
        window=frozenset({properties.SURE, properties.REPLACED}),
    ),
    scenario(
        "the previous version stores a grant while a revocation is delivered",
        behaviours=(REUSABLE,),
        revocations=WIDE,
        disconnects=1,
        connects_by_previous=1,
        # It doesn't look for deliveries, nor whether the connection has ended since its claim.
        window=frozenset({properties.NOT_REVOKED, properties.STAYS_ENDED}),
    ),
    scenario(
        "disconnecting and connecting again",
        behaviours=SOME,
        revocations=REVOCATIONS,
        asked=2,
        expiries=1,
        disconnects=1,
        connects=1,
        delivery_failures=1,
        refreshers=1,
    ),
    scenario(
        "disconnecting and connecting twice",
        behaviours=(REUSABLE, REUSE_REVOKES),
        revocations=REVOCATIONS,
        asked=1,
        disconnects=2,
        connects=2,
        refreshers=1,
    ),
    scenario(
        "disconnecting, answers are lost",
        behaviours=SOME,
        revocations=REVOCATIONS,
        asked=2,
        disconnects=1,
        crashes=1,
        delivery_failures=1,
        assumptions=Assumptions(answers_lost=True),
        window=_LOST | _LEFT,
    ),
    scenario(
        "stray revocations",
        behaviours=SOME,
        revocations=REVOCATIONS,
        asked=1,
        disconnects=2,
        connects=1,
        timeouts=1,
        delivery_failures=2,
        refreshers=1,
        assumptions=Assumptions(stray_revocations=True),
    ),
    scenario(
        "erasing",
        behaviours=SOME,
        revocations=REVOCATIONS,
        asked=2,
        erasures=1,
        connects=2,
        timeouts=1,
        delivery_failures=1,
        refreshers=1,
    ),
    scenario("erasing before the first connection", behaviours=(REUSABLE,), first=ABSENT, erasures=1, connects=2),
    scenario(
        "siblings on an account",
        behaviours=(REUSABLE, REUSE_REVOKES),
        revocations=WIDE,
        asked=1,
        disconnects=2,
        disconnects_of_bob=1,
        connects=1,
        connects_of_bob=1,
        delivery_failures=1,
        refreshers=1,
        bob=True,
    ),
    scenario(
        "siblings on an account, the provider fails",
        behaviours=(REUSE_REVOKES,),
        revocations=WIDE,
        asked=2,
        refusals=1,
        failing=1,
        disconnects_of_bob=1,
        refreshers=1,
        bob=True,
    ),
    scenario(
        "claims and deliveries",
        behaviours=(REUSABLE,),
        revocations=WIDE,
        disconnects=1,
        disconnects_of_bob=1,
        connects=1,
        connects_of_bob=1,
        pauses=1,
        crashes=1,
        refreshers=0,
        callbacks=2,
        deliverers=2,
        bob=True,
        live=True,
    ),
    scenario(
        "one grant an account",
        behaviours=SOME,
        revocations=REVOCATIONS,
        asked=3,
        expiries=1,
        disconnects=1,
        connects=1,
        timeouts=1,
        delivery_failures=1,
        refreshers=1,
        one_grant=True,
    ),
    scenario(
        "a stranger joins the account",
        behaviours=(REUSE_REVOKES,),
        revocations=WIDE,
        disconnects=1,
        disconnects_of_bob=1,
        connects_of_bob=1,
        delivery_failures=1,
        bob=True,
        assumptions=Assumptions(stranger=True),
        window=frozenset({properties.NOT_REVOKED}),
    ),
)
BY_NAME: Final = {one.name: one for one in SCENARIOS}


def small(one: Scenario) -> Scenario:
    """The scenario with less to happen and with few providers, for a quick run."""
    most = Budget(*(1,) * len(Budget._fields))._replace(
        asked=2 - bool(one.budget.connects), crashes=1 - one.live, pauses=1 - one.live
    )
    if one.budget.connects and one.budget.asked:
        most = most._replace(expiries=0, delivery_failures=int(one.assumptions.stray_revocations))
    if one.bob and not one.budget.failing:
        most = most._replace(asked=0)
    budget = Budget(*(min(amount, limit) for amount, limit in zip(one.budget, most, strict=True)))
    behaviours = tuple(name for name in one.behaviours if name in {REUSE_REVOKES, STRICT_GRACE}) or one.behaviours[:1]
    revocations = tuple(name for name in one.revocations if name in {TOKEN, GRANT}) or one.revocations[:1]
    return replace(one, budget=budget, behaviours=behaviours, revocations=revocations)


def everything(scenarios: Iterable[Scenario] = SCENARIOS) -> Iterator[tuple[Scenario, Provider]]:
    for one in scenarios:
        for provider in one.providers():
            yield one, provider
