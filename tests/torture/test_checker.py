"""Every rule of the checker can fail: histories with one fault each, and one of each kind that only looks like one."""

from __future__ import annotations

import inspect

import pytest

from tests.torture.checker import RULES, violations
from tests.torture.history import GARBLED, HUNG_UP, LOST, OK, REFUSED, Answer
from tests.torture.tale import LEASE, SETTLED, Tale, connection

LATER = Answer("PROVIDER_UNAVAILABLE", 500, retry_after=True)
shown_to_fail: set[str] = set()


@pytest.fixture
def tale() -> Tale:
    return Tale()


def broken(tale: Tale) -> set[str]:
    """The rules that are broken, each with something to show for it."""
    found = violations(tale.record)
    assert all(violation.told and violation.events for violation in found)
    shown_to_fail.update(violation.rule for violation in found)
    return {violation.rule for violation in found}


def test_a_run_without_a_fault_has_no_violation(tale: Tale) -> None:
    flow, denied = tale.connected(), tale.flow(error="access_denied")
    tale.store(flow)
    tale.callback(flow, "INVALID_STATE", at=2, user="bob")
    tale.callback(flow, "INVALID_STATE", at=2, code="another")
    tale.callback(denied, answer=Answer("ACCESS_DENIED", 400))
    tale.listing("ann", "ann", 3, connection("ann"))
    tale.listing("bob", "ann", 3, outcome="FORBIDDEN")
    assert broken(tale) == set()


def test_two_exchanges_of_a_code(tale: Tale) -> None:
    flow = tale.connected()
    tale.store(flow)
    tale.exchange(flow, 1.2, "invalid_grant")
    assert broken(tale) == {"I1 one exchange per code"}


def test_two_codes_of_a_state(tale: Tale) -> None:
    flow = tale.connected()
    tale.store(flow)
    tale.callback(flow, "INVALID_GRANT", at=2, code="another")
    tale.exchange(flow, 2.1, "invalid_grant", code="another")
    assert broken(tale) == {"I1 one exchange per code", "contract: a state is spent on one code"}


def test_a_success_that_the_provider_knows_nothing_of(tale: Tale) -> None:
    flow, ghost = tale.connected(), tale.flow()
    tale.store(flow)
    tale.callback(ghost, at=0.5)
    assert broken(tale) == {"I1 success comes from the provider"}


def test_two_rows(tale: Tale) -> None:
    flow = tale.connected()
    tale.store(flow)
    tale.store(flow)
    assert broken(tale) == {"I2 one connection"}


@pytest.mark.parametrize("changed", [{"id": "another"}, {"createdAt": "2026-11-23T12:00:00.001Z"}])
def test_an_identity_that_changes(tale: Tale, changed: dict[str, str]) -> None:
    flow = tale.connected()
    tale.store(flow)
    tale.callback(flow, at=4, shown=connection("ann", **changed))
    assert broken(tale) == {"I2 one connection"}


def test_an_acknowledged_connection_that_is_gone(tale: Tale) -> None:
    tale.connected()
    assert broken(tale) == {"I3 durable"}


@pytest.mark.parametrize("fault", [{"accepted": False}, {"status": "error"}, {"unreadable": "a missing key"}])
def test_an_acknowledged_connection_that_is_of_no_use(tale: Tale, fault: dict[str, object]) -> None:
    flow = tale.connected()
    tale.store(flow, **fault)
    assert broken(tale) == {"I3 durable"}


def test_a_useless_connection_is_told_of_once(tale: Tale) -> None:
    _older, newer = tale.connected(at=1), tale.connected(at=2)
    tale.store(newer, accepted=False)
    assert [violation.told.split()[1] for violation in violations(tale.record)] == [str(newer.number)]


def test_tokens_of_a_flow_that_failed(tale: Tale) -> None:
    flow = tale.flow()
    tale.exchange(flow)
    tale.callback(flow, "PROVIDER_UNAVAILABLE", took=3)
    tale.store(flow)
    assert broken(tale) == {"I3 what is stored was acknowledged"}


def test_tokens_of_somebody_else(tale: Tale) -> None:
    mine, theirs = tale.connected("ann"), tale.connected("bob")
    tale.store(mine, access="access_token of 2")
    tale.store(theirs)
    assert broken(tale) == {"I3 what is stored was acknowledged"}


def test_a_refresh_token_that_was_dropped(tale: Tale) -> None:
    flow = tale.connected()
    tale.store(flow, refresh=None)
    assert broken(tale) == {"I3 what is stored was acknowledged"}


def test_a_refresh_token_that_was_left_out(tale: Tale) -> None:
    flow = tale.flow()
    tale.exchange(flow, fault="no_refresh")
    tale.callback(flow)
    tale.store(flow, refresh=None)
    assert broken(tale) == set()


def test_a_list_without_what_was_acknowledged(tale: Tale) -> None:
    flow = tale.connected()
    tale.store(flow)
    tale.listing("ann", "ann", 1.2)
    assert broken(tale) == set()
    tale.listing("ann", "ann", 1.4)
    assert broken(tale) == {"I3 listed"}


def test_tokens_older_than_the_newest(tale: Tale) -> None:
    older, _newer = tale.connected(at=1), tale.connected(at=2)
    tale.store(older)
    assert broken(tale) == {"I4 newest"}


def test_which_of_two_that_overlap_is_newer_is_not_judged(tale: Tale) -> None:
    first, _second = tale.connected(at=1), tale.connected(at=1.15)
    tale.store(first)
    assert broken(tale) == set()


def test_a_callback_that_was_sent_before_the_other_was_acknowledged_may_have_the_older_tokens(tale: Tale) -> None:
    first, second = tale.connected(at=1), tale.connected(at=2)
    tale.callback(second, "PROVIDER_UNAVAILABLE", at=1.2, answer=Answer("PROVIDER_UNAVAILABLE", 500, True))
    tale.store(first)
    assert "I4 newest" not in broken(tale)


def test_a_list_of_somebody_else(tale: Tale) -> None:
    tale.listing("bob", "ann", 1)
    assert broken(tale) == {"I5 private"}


def test_a_list_with_somebody_else_in_it(tale: Tale) -> None:
    tale.listing("bob", "bob", 1, connection("ann"))
    assert broken(tale) == {"I5 private"}


def test_a_thief_who_hears_more_than_no(tale: Tale) -> None:
    flow = tale.connected()
    tale.store(flow)
    tale.callback(flow, "INVALID_GRANT", at=3, user="bob")
    assert broken(tale) == {"I5 private"}


@pytest.mark.parametrize(
    "answer",
    [
        Answer("INTERNAL_ERROR", 500),
        Answer("NOT_FOUND", 404),
        Answer(GARBLED, 502),
        Answer("INVALID_GRANT", 500),
        Answer(OK, 200, data={"connection": connection("ann")}),
        Answer(OK, 201, data={"connection": connection("ann", status="pending")}),
        Answer(OK, 201, data={"connection": connection("ann", extra=1)}),
    ],
    ids=lambda answer: f"{answer.outcome} {answer.status}",
)
def test_an_answer_that_is_none_of_the_contracts(tale: Tale, answer: Answer) -> None:
    flow = tale.flow()
    tale.exchange(flow, fault="slow")
    tale.callback(flow, answer=answer)
    assert "contract: every answer is known" in broken(tale)


def test_a_list_that_is_unavailable_and_not_for_how_long(tale: Tale) -> None:
    tale.listing("ann", "ann", 1, outcome="SERVICE_UNAVAILABLE")
    assert broken(tale) == {"contract: every answer is known"}


def test_an_unavailable_service_that_gives_no_time_to_wait(tale: Tale) -> None:
    flow = tale.flow()
    tale.callback(flow, answer=Answer("SERVICE_UNAVAILABLE", 503))
    assert broken(tale) == {"contract: every answer is known"}


def test_a_callback_that_ends_in_two_ways(tale: Tale) -> None:
    flow = tale.connected()
    tale.store(flow)
    tale.callback(flow, "PROVIDER_UNAVAILABLE", at=2)
    assert broken(tale) == {"contract: the same callback, the same end", "I3 what is stored was acknowledged"}


def test_a_right_code_that_is_refused(tale: Tale) -> None:
    flow = tale.flow()
    tale.callback(flow, "INVALID_STATE")
    assert broken(tale) == {"contract: a state is spent on one code"}


def test_a_right_code_that_comes_too_late(tale: Tale) -> None:
    flow = tale.flow()
    tale.callback(flow, "INVALID_GRANT", code="another")
    tale.exchange(flow, outcome="invalid_grant", code="another")
    tale.callback(flow, "INVALID_STATE", at=2)
    assert broken(tale) == set()


def test_a_right_code_that_is_refused_while_another_has_the_state(tale: Tale) -> None:
    """INVALID_STATE is final, but the other code may yet be released unspent."""
    flow = tale.connected()
    tale.store(flow)
    tale.callback(flow, at=0.2, took=0.4, code="another", answer=LATER)
    tale.callback(flow, "INVALID_STATE", at=0.3, took=0.1)
    assert "contract: the same callback, the same end" in broken(tale)


@pytest.mark.parametrize("answer", [LATER, Answer("SERVICE_UNAVAILABLE", 503, retry_after=True), Answer(LOST)])
def test_a_callback_without_an_end(tale: Tale, answer: Answer) -> None:
    flow = tale.flow()
    tale.callback(flow, at=SETTLED + 1, answer=answer)
    assert broken(tale) == {"R3 settled in the end"}


def test_a_request_that_stays_exchanging(tale: Tale) -> None:
    tale.request(tale.flow(), "exchanging")
    assert broken(tale) == {"R3 settled in the end"}


def test_a_lease_that_does_not_end(tale: Tale) -> None:
    flow = tale.flow()
    tale.exchange(flow, fault="lost")
    tale.callback(flow, "PROVIDER_UNAVAILABLE", at=SETTLED + 1, took=40)
    assert broken(tale) == {"R3 within the lease"}


def test_a_state_that_was_to_be_usable_later(tale: Tale) -> None:
    flow = tale.flow()
    tale.callback(flow, "SERVICE_UNAVAILABLE", at=1)
    tale.callback(flow, "PROVIDER_UNAVAILABLE", at=2)
    assert broken(tale) == {"R5 unavailable spends nothing"}


def test_a_lease_that_ended_while_something_stood_still(tale: Tale) -> None:
    """What was told meanwhile could not be kept. Without a disturbance it has to be."""
    flow = tale.flow()
    tale.callback(flow, "SERVICE_UNAVAILABLE", at=1, took=LEASE)
    tale.callback(flow, "PROVIDER_UNAVAILABLE", at=LEASE + 2)
    assert broken(tale) == {"R5 unavailable spends nothing"}
    tale.disturbance("database connections are stalled", 1, LEASE)
    assert not broken(tale)


def test_what_got_lost_on_the_way_to_the_provider(tale: Tale) -> None:
    flow = tale.flow()
    tale.callback(flow, "SERVICE_UNAVAILABLE", at=1)
    tale.callback(flow, "PROVIDER_UNAVAILABLE", at=2)
    tale.disturbance("provider's connections are cut", 2.1, 2.1)
    assert broken(tale) == set()


@pytest.mark.parametrize("first", [LOST, HUNG_UP])
def test_who_heard_nothing_can_not_say_what_was_spent(tale: Tale, first: str) -> None:
    flow = tale.flow()
    tale.callback(flow, first, at=1)
    tale.callback(flow, "PROVIDER_UNAVAILABLE", at=9)
    assert broken(tale) == set()


def test_a_failure_of_what_nobody_disturbed(tale: Tale) -> None:
    flow = tale.flow()
    tale.exchange(flow)
    tale.callback(flow, "PROVIDER_UNAVAILABLE")
    tale.disturbance("kill -9 of", 0, 9, "gateway-2")
    assert broken(tale) == {"undisturbed succeeds"}


def test_an_exchange_that_died_with_who_hung_up(tale: Tale) -> None:
    flow = tale.flow()
    tale.exchange(flow)
    tale.callback(flow, HUNG_UP)
    tale.callback(flow, "PROVIDER_UNAVAILABLE", at=2, took=6)
    assert broken(tale) == {"undisturbed succeeds"}


def test_a_provider_that_may_have_been_too_slow(tale: Tale) -> None:
    flow = tale.flow()
    tale.exchange(flow)
    tale.callback(flow, "PROVIDER_UNAVAILABLE", took=2)
    assert broken(tale) == set()


@pytest.mark.parametrize("target", ["gateway-1", None])
def test_a_failure_of_what_was_disturbed(tale: Tale, target: str | None) -> None:
    flow = tale.flow()
    tale.callback(flow, REFUSED, at=0.8)
    tale.exchange(flow)
    tale.callback(flow, "PROVIDER_UNAVAILABLE")
    tale.disturbance("kill -9 of", 0, 1.2, target)
    assert broken(tale) == set()


def test_an_answer_that_nobody_foresaw(tale: Tale) -> None:
    flow = tale.flow()
    tale.callback(flow, "INTERNAL_ERROR")
    assert "contract: every answer is known" in broken(tale)


def test_every_rule_is_shown_to_fail() -> None:
    """By the histories above that stand alone."""
    shown_to_fail.clear()
    for name, test in list(globals().items()):
        if name.startswith("test_") and list(inspect.signature(test).parameters) == ["tale"]:
            test(Tale())
    assert shown_to_fail == set(RULES)
