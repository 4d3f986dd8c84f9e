"""Each rule, dropped: what breaks then, and where the shortest trace to it is found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from tests.model import properties
from tests.model.exploration import Trace
from tests.model.provider import (
    ACCOUNT,
    BEARER,
    GRANT,
    REUSABLE,
    REUSE_REFUSED,
    REUSE_REVOKES,
    STRICT_GRACE,
    Provider,
)
from tests.model.rules import RULES, Assumptions
from tests.model.scenarios import Scenario, scenario

_REUSE = Provider(REUSE_REVOKES)
_GRACE = Provider(STRICT_GRACE)
_REFUSED = Provider(REUSE_REFUSED)
_REUSABLE = Provider(REUSABLE)
_WIDE = Provider(REUSABLE, GRANT)
_REFRESHING = scenario("two callers", asked=2)
_TRANSIENT = scenario("a transient answer", asked=2, refusals=1)
_TIMEOUT = scenario("a time-out", asked=2, timeouts=1)
_LOST_ANSWER = scenario("an answer is lost", asked=2, crashes=1, timeouts=1, assumptions=Assumptions(answers_lost=True))
_STRAY = scenario("a stray refresh", asked=2, crashes=1, timeouts=1, assumptions=Assumptions(strays=True))
_PAUSE = scenario("a process stands still", asked=2, pauses=1)
_LATE = scenario(
    "an answer comes late", asked=3, pauses=1, assumptions=Assumptions(pauses=("sent", "answered"), in_order=True)
)
_RESEAL = scenario("resealing", asked=1, reseals=2, expiries=1)
_DOUBT = scenario("a COMMIT in doubt", asked=2, doubts=1)
_LATE_LOST = scenario(
    "an answer comes late, another is lost",
    asked=3,
    expiries=1,
    pauses=1,
    crashes=1,
    assumptions=Assumptions(pauses=("sent", "answered"), in_order=True, answers_lost=True),
)
_LATE_TRANSIENT = scenario(
    "an answer comes late, another is transient",
    asked=2,
    pauses=1,
    refusals=1,
    assumptions=Assumptions(pauses=("sent", "answered"), in_order=True),
)
_LATE_END = scenario(
    "an answer comes late, after a disconnect",
    asked=1,
    disconnects=1,
    pauses=1,
    delivery_failures=1,
    refreshers=1,
    assumptions=Assumptions(pauses=("sent", "answered", "unstored", "late"), in_order=True),
)
_USER_ENDS = scenario("the user ends the grant", asked=2, ends_by_user=1, refusals=1, failing=1)
_ENDING = scenario("disconnecting", asked=1, disconnects=1, refreshers=1)
_ENDING_LOST = scenario(
    "disconnecting, an answer is lost",
    asked=1,
    disconnects=1,
    crashes=1,
    timeouts=1,
    refreshers=1,
    assumptions=Assumptions(answers_lost=True),
)
_RENEWING = scenario("connecting again", asked=1, connects=1, timeouts=1, refreshers=1)
_RENEWING_ENDED = scenario("connecting after the grant's end", asked=1, connects=1, ends_by_user=1, refreshers=1)
_ENDING_REFUSED = scenario("disconnecting after the grant's end", asked=1, disconnects=1, ends_by_user=1, refreshers=1)
_ENDING_RENEWED = scenario(
    "connecting, then disconnecting", asked=1, expiries=1, connects=1, disconnects=1, refreshers=1
)
_RETURNING_LATE = scenario(
    "ending, connecting, asking again",
    asked=2,
    expiries=1,
    disconnects=1,
    connects=1,
    timeouts=1,
    refreshers=1,
    deliverers=0,
)
_RENEWING_LATE = scenario("connecting again, asking again", asked=2, expiries=1, connects=1, timeouts=1, refusals=1)
_RETURNING = scenario("disconnecting and connecting again", asked=1, disconnects=1, connects=1, refreshers=1)
_OVERLAPPING = scenario("two callbacks", connects=2, callbacks=2, refreshers=0)
_PREVIOUS = scenario("the previous version stores", asked=1, connects_by_previous=1, refreshers=1)
_SIBLINGS = scenario("siblings", disconnects=1, disconnects_of_bob=1, connects=1, refreshers=0, bob=True)
_LOST_SIBLING = scenario(
    "siblings, and an answer is lost",
    asked=1,
    disconnects=1,
    disconnects_of_bob=1,
    crashes=1,
    refreshers=1,
    bob=True,
    assumptions=Assumptions(answers_lost=True),
)
_FAILING_SIBLING = scenario(
    "a failing sibling", asked=1, refusals=1, failing=1, disconnects_of_bob=1, refreshers=1, bob=True
)
_DELIVERING = scenario(
    "claims and deliveries",
    disconnects=1,
    connects=1,
    delivery_failures=1,
    pauses=1,
    refreshers=0,
    deliverers=2,
    assumptions=Assumptions(stray_revocations=True),
)
_BACKING_OFF = scenario("claims and deliveries back off", disconnects=1, connects=1, refreshers=0, live=True)
_ERASING = scenario("erasing", asked=1, erasures=1, connects=1, refreshers=1)
_RENEWED_ENDED = scenario(
    "connecting, then disconnecting, with an answer late",
    asked=2,
    expiries=1,
    disconnects=1,
    connects=1,
    pauses=1,
    refusals=1,
    assumptions=Assumptions(pauses=("sent", "answered", "unstored", "late"), in_order=True),
)
_NO_REFRESH_TOKEN = scenario("no refresh token", asked=1, refresh_token=False)
_SAME_ACCESS = scenario("the access token comes again", asked=2)


@dataclass(frozen=True, slots=True)
class Mutation:
    """Without these rules, this property breaks in this scenario."""

    rules: tuple[str, ...]
    breaks: str
    scenario: Scenario
    provider: Provider = _REUSE
    long: bool = False
    """Whether it takes seconds, so that only `make model` looks for it."""

    def __str__(self) -> str:
        return " and ".join(self.rules)

    def trace(self) -> Trace | None:
        """The shortest trace to the violation, None if there is none."""
        rules = RULES.without(*self.rules)
        return self.scenario.explore(self.provider, rules, until=self.breaks).violations.get(self.breaks)

    def breaks_with_all_rules(self) -> bool:
        """Whether the violation has nothing to do with the rules that are dropped."""
        return self.breaks in _broken_anyway(self.scenario, self.provider)


@cache
def _broken_anyway(scenario: Scenario, provider: Provider) -> frozenset[str]:
    return frozenset(scenario.explore(provider).violations)


def _drop(name: str, breaks: str, where: Scenario, provider: Provider = _REUSE) -> Mutation:
    return Mutation(tuple(name.split()), breaks, where, provider)


p = properties
MUTATIONS: Final[tuple[Mutation, ...]] = (
    _drop("take_if_version", p.NOT_FRESH, _REFRESHING),
    _drop("take_if_alive", p.ONLY_LIVING, _USER_ENDS),
    _drop("take_if_failing", p.ANSWERED, _USER_ENDS),
    _drop("take_if_refresh_token", p.ONLY_LIVING, _NO_REFRESH_TOKEN),
    _drop("take_if_unleased", p.ONE_AT_A_TIME, _REFRESHING),
    _drop("take_after_quiet", p.NOT_KILLED, _STRAY),
    _drop("take_after_retry", p.NOT_KILLED, _STRAY),
    _drop("take_counts_holder", p.TOLD, _LOST_ANSWER),
    _drop("take_next_epoch", p.NEWEST, _LATE, _GRACE),
    _drop("send_in_time", p.NOT_KILLED, _PAUSE),
    _drop("store_if_consent store_if_granted_at", p.NEWER_GRANT, _RENEWING),
    _drop("store_if_granted_at", p.NEWER_GRANT, _PREVIOUS),
    _drop("store_if_alive store_if_version store_if_consent", p.STAYS_ENDED, _ENDING),
    _drop("store_if_version", p.NEWEST, _LATE, _GRACE),
    _drop("store_if_later_epoch", p.NEWEST, _LATE, _GRACE),
    _drop("store_in_order", p.NEWEST, _LATE, _GRACE),
    _drop("store_without_lease", p.NEWEST, _LATE, _REFUSED),
    _drop("store_leaves_lease", p.TOLD, _LATE_LOST, _GRACE),
    _drop("store_sure", p.SURE, _TIMEOUT, _GRACE),
    _drop("store_connected", p.NOT_MARKED, _LATE, _REFUSED),
    _drop("store_keeps_token", p.NEWEST, _REFRESHING, _REUSABLE),
    _drop("store_clears_retry", p.NOT_HELD_BACK, _LATE_TRANSIENT, _GRACE),
    _drop("fate_stored", p.TOLD_STORED, _DOUBT),
    _drop("fate_newer", p.NOT_REVOKED, _LATE, _GRACE),
    _drop("fate_ended", p.NOTHING_LEFT, _ENDING, _REFUSED),
    _drop("fate_renewed", p.REPLACED, _RENEWING, _REFUSED),
    _drop("fate_renewed_wide deliver_not_needed", p.NOT_REVOKED, _RENEWING, _WIDE),
    _drop("late_into_pending", p.NOTHING_LEFT, _ENDING_RENEWED, Provider(REUSE_REVOKES, GRANT)),
    _drop("late_if_unleased", p.NOTHING_LEFT, _LATE_END),
    _drop("late_if_unsure", p.NOTHING_LEFT, _LATE_END, _GRACE),
    Mutation(("late_if_version",), p.NOTHING_LEFT, _RENEWED_ENDED, _REFUSED, long=True),
    _drop(
        "release_if_owner", p.ONE_AT_A_TIME, scenario("a process stands still, a third one comes", asked=3, pauses=1)
    ),
    _drop("fail_counts_unknown", p.TOLD, _LOST_ANSWER),
    _drop("fail_waits_for_quiet", p.NOT_KILLED, _STRAY),
    _drop("mark_if_version", p.NOT_MARKED, _RENEWING_ENDED),
    _drop("mark_if_failing", p.MARKED, _USER_ENDS),
    _drop("mark_only_refused", p.NOT_MARKED, scenario("processes die", asked=3, crashes=2)),
    _drop("mark_keeps_version", p.THEY_OPEN, _USER_ENDS),
    _drop("wait_for_version", p.ANSWERED, _SAME_ACCESS, Provider(REUSABLE, same_access=True)),
    _drop("wait_for_status", p.ANSWERED, _USER_ENDS),
    _drop("wait_for_retry", p.ANSWERED, _TRANSIENT),
    _drop("disconnect_if_version", p.NOTHING_LEFT, _ENDING),
    _drop("disconnect_erases", p.NO_TOKENS, _ENDING),
    _drop("disconnect_next_version", p.STAYS_ENDED, _RETURNING),
    _drop("disconnect_revokes", p.NOTHING_LEFT, _ENDING),
    _drop("disconnect_unsure_holder", p.NOTHING_LEFT, _ENDING_LOST),
    _drop("disconnect_unsure_count", p.NOTHING_LEFT, _ENDING_LOST),
    _drop("disconnect_due_later", p.NOTHING_LEFT, _ENDING_LOST, _GRACE),
    _drop("claim_looks", p.NOT_REVOKED, _DELIVERING, _WIDE),
    _drop("claim_looks_last", p.NOT_REVOKED, _DELIVERING, _WIDE),
    _drop("claim_gives_back", p.CAN_SUCCEED, _BACKING_OFF, _WIDE),
    _drop("claim_by_account", p.NOT_REVOKED, _SIBLINGS, _WIDE),
    _drop("claim_after_quiet", p.NOT_REVOKED, _DELIVERING, Provider(REUSABLE, ACCOUNT)),
    _drop("grant_if_version", p.REPLACED, _RENEWING),
    _drop("grant_if_held", p.STAYS_ENDED, _ERASING),
    _drop("grant_unless_ended", p.STAYS_ENDED, _RETURNING),
    _drop("grant_in_order", p.NEWER_GRANT, _OVERLAPPING),
    _drop("grant_next_consent store_if_granted_at", p.NEWER_GRANT, _RENEWING),
    _drop("grant_ends_lease", p.SURE, _RENEWING_LATE),
    _drop("grant_sure", p.SURE, _RENEWING_LATE),
    _drop("grant_clears_retry", p.NOT_HELD_BACK, _RENEWING_LATE),
    _drop("grant_revokes_replaced", p.REPLACED, _RENEWING),
    _drop("grant_keeps_wide deliver_not_needed", p.NOT_REVOKED, _RENEWING, _WIDE),
    _drop("grant_unstored", p.NOTHING_LEFT, _RETURNING),
    _drop("deliver_when_due", p.NOTHING_LEFT, _ENDING_LOST, _GRACE),
    _drop("deliver_after_quiet", p.NOT_REVOKED, _DELIVERING, Provider(REUSABLE, ACCOUNT)),
    _drop("deliver_looks_for_claims", p.NOT_REVOKED, _DELIVERING, _WIDE),
    _drop("deliver_looks_for_others", p.NOT_REVOKED, _SIBLINGS, _WIDE),
    _drop("deliver_waits_for_others", p.NOTHING_LEFT, _LOST_SIBLING, Provider(STRICT_GRACE, GRANT)),
    _drop("deliver_looks_for_failing", p.NOT_REVOKED, _FAILING_SIBLING, _WIDE),
    _drop("deliver_not_needed", p.NOT_REVOKED, _DELIVERING, _WIDE),
    _drop("deliver_looks_last", p.NOT_REVOKED, _DELIVERING, _WIDE),
    _drop("deliver_looks_once", p.NOT_REVOKED, _DELIVERING, _WIDE),
    _drop("deliver_in_time", p.NOT_REVOKED, _DELIVERING, _WIDE),
    _drop("deliver_401_refreshes", p.NOTHING_LEFT, _ENDING, Provider(REUSE_REVOKES, BEARER)),
    _drop("deliver_unsure_refreshes", p.NOTHING_LEFT, _ENDING_LOST),
    _drop(
        "deliver_keeps_pair",
        p.NOTHING_LEFT,
        scenario("disconnecting, the worker fails", disconnects=1, delivery_failures=1, refreshers=0),
        Provider(REUSE_REFUSED, BEARER),
    ),
    _drop("deliver_keeps_lease", p.NOT_REVOKED, _DELIVERING, Provider(REUSABLE, ACCOUNT)),
    _drop("erase_at_once", p.STAYS_ENDED, _ERASING),
    _drop("erase_requests_first", p.STAYS_ENDED, _ERASING),
    _drop("erase_revokes", p.NOTHING_LEFT, _ERASING),
    _drop("reseal_if_version reseal_if_sealed", p.NEWEST, _RESEAL),
    _drop("reseal_if_sealed", p.NEWER_KEY, _RESEAL),
    _drop("reseal_keeps_version", p.NEWEST, _RESEAL),
)
REDUNDANT: Final[tuple[tuple[str, Mutation], ...]] = (
    ("store_if_alive", _drop("store_if_alive store_if_version store_if_consent", p.STAYS_ENDED, _ENDING)),
    ("store_if_consent", _drop("store_if_consent store_if_granted_at", p.NEWER_GRANT, _RENEWING)),
    ("fate_renewed_wide", _drop("fate_renewed_wide deliver_not_needed", p.NOT_REVOKED, _RENEWING, _WIDE)),
    ("mark_if_alive", _drop("mark_if_alive mark_if_version", p.STAYS_ENDED, _ENDING_REFUSED)),
    (
        "disconnect_next_consent",
        _drop("disconnect_next_consent disconnect_next_version store_if_alive", p.STAYS_ENDED, _ENDING),
    ),
    ("disconnect_ends_lease", _drop("disconnect_ends_lease grant_ends_lease", p.SURE, _RETURNING_LATE)),
    ("disconnect_sure", _drop("disconnect_sure grant_sure", p.SURE, _RETURNING_LATE)),
    ("grant_next_consent", _drop("grant_next_consent store_if_granted_at", p.NEWER_GRANT, _RENEWING)),
    ("grant_keeps_wide", _drop("grant_keeps_wide deliver_not_needed", p.NOT_REVOKED, _RENEWING, _WIDE)),
    ("reseal_if_version", _drop("reseal_if_version reseal_if_sealed", p.NEWEST, _RESEAL)),
)
"""Rules that others back: dropped alone, nothing breaks; with these others, this does. They stay, since they are cheap
and each of them can be read on its own."""
