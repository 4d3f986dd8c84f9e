"""The rules hold in a part of what `make model` explores, each of them is needed, and each property can fail."""

from __future__ import annotations

import sys
from dataclasses import fields, replace

import pytest

from tests.model import properties
from tests.model.mutations import MUTATIONS, REDUNDANT, Mutation
from tests.model.provider import REUSE_REVOKES, STRICT_GRACE, Provider
from tests.model.rules import RULES, Rules
from tests.model.scenarios import BY_NAME, SCENARIOS, Scenario, everything, judged, scenario, small

_QUICK = list(everything(small(one) for one in SCENARIOS))


@pytest.mark.parametrize(
    ("one", "provider"),
    _QUICK,
    ids=[f"{one.name}-{provider.behaviour}-{provider.revocation}" for one, provider in _QUICK],
)
def test_the_rules_hold(one: Scenario, provider: Provider) -> None:
    outcome = one.explore(provider)
    assert judged(one, outcome) == {}
    assert outcome.states > 10


@pytest.mark.parametrize("mutation", [one for one in MUTATIONS if not one.long], ids=str)
def test_each_rule_is_needed(mutation: Mutation) -> None:
    trace = mutation.trace()
    sys.stdout.write(f"{mutation.breaks}:\n" + "".join(f"    {step}\n" for step in trace or []))
    assert trace, f"without {mutation}, nothing breaks this: {mutation.breaks}"
    assert not mutation.breaks_with_all_rules()


@pytest.mark.parametrize(("rule", "mutation"), REDUNDANT, ids=[rule for rule, _ in REDUNDANT])
def test_a_rule_that_others_back(rule: str, mutation: Mutation) -> None:
    assert mutation.scenario.explore(mutation.provider, RULES.without(rule)).violations == {}
    assert mutation.trace()
    assert not mutation.breaks_with_all_rules()


def test_every_rule_is_tried() -> None:
    tried = {rule for one in MUTATIONS for rule in one.rules} | {rule for rule, _ in REDUNDANT}
    assert tried == {field.name for field in fields(Rules)}


def test_every_property_can_fail() -> None:
    every = set(properties.NAMES)
    failing = {mutation.breaks for mutation in MUTATIONS} | {properties.NO_REUSE}
    assert failing == every
    assert properties.NO_REUSE in _violations("answers are lost", REUSE_REVOKES)


def _violations(name: str, behaviour: str) -> set[str]:
    return set(small(BY_NAME[name]).explore(Provider(behaviour)).violations)


def test_a_window_is_open() -> None:
    """The model would notice if a rule closed it: what is lost with the answer, and what comes after `quiet`."""
    assert properties.NEWEST in _violations("answers are lost", REUSE_REVOKES)
    assert _violations("answers are lost", STRICT_GRACE) == set()
    assert properties.NEWEST in _violations("answers are lost, the grace is too short", STRICT_GRACE)
    strays = small(BY_NAME["stray refreshes"])
    assert properties.NOT_KILLED not in strays.explore(Provider(REUSE_REVOKES)).violations
    later = replace(strays, assumptions=replace(strays.assumptions, quiet_too_short=True))
    assert properties.NOT_KILLED in later.explore(Provider(REUSE_REVOKES)).violations


def test_a_trace_is_the_shortest() -> None:
    one = scenario("two callers", asked=2)
    outcome = one.explore(Provider(), RULES.without("take_if_unleased"))
    assert outcome.violations[properties.ONE_AT_A_TIME] == [
        "P0 is asked for a token and reads the row",
        "P0 take: lease #1 for r1 of version 1",
        "P0 sends r1 (#1)",
        "P1 is asked for a token and reads the row",
        "P1 take: lease #2 for r1 of version 1",
        "P1 sends r1 (#2)",
    ]
