"""Every rule can fail: records with one fault each, and some that only look like one."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from tests.torture.history import GARBLED, LOST, REFUSED
from tests.torture.life.record import CONNECT, DISCONNECT, ISSUE
from tests.torture.life.rules import RULES
from tests.torture.life.storage import readable_tokens
from tests.torture.life.tale import SETTLED, TIMING, WIDE, Tale

OVER = "REAUTHORIZATION_REQUIRED"
shown_to_fail: set[str] = set()


@pytest.fixture
def tale() -> Tale:
    return Tale()


def broken(tale: Tale) -> set[str]:
    """The rules that are broken, each with something to show for it."""
    found = {name: list(rule(tale.record)) for name, rule in RULES.items()}
    assert all(told and list(map(str, events)) for findings in found.values() for told, events in findings)
    failed = {name for name, findings in found.items() if findings}
    shown_to_fail.update(failed)
    return failed


def test_a_life_without_a_fault(tale: Tale) -> None:
    tale.consent()
    tale.refresh(0, at=5)
    tale.act(ISSUE, at=4.9, token="r1.1")
    tale.refresh(1, at=9)
    tale.store("r1.2")
    tale.act(ISSUE, at=SETTLED + 1, token="r1.2")
    assert broken(tale) == set()


def test_two_refreshes_at_once(tale: Tale) -> None:
    tale.consent()
    tale.refresh(0, at=5, closed=6)
    tale.refresh(0, at=5.5, outcome="invalid_grant")
    assert "one refresh at a time" in broken(tale)


def test_a_request_that_is_still_open_has_no_end(tale: Tale) -> None:
    tale.consent()
    tale.refresh(0, at=5, closed=None)
    tale.refresh(0, at=20, outcome="invalid_grant")
    assert "one refresh at a time" in broken(tale)


def test_a_token_that_is_sent_again_too_early(tale: Tale) -> None:
    tale.consent()
    tale.refresh(0, at=5, hung_up=5.5, closed=9, outcome="pending")
    tale.refresh(0, at=6)
    tale.store("r1.1")
    assert broken(tale) == {"quiet after an unknown result"}


def test_a_token_that_is_sent_again_after_a_while(tale: Tale) -> None:
    tale.consent()
    tale.refresh(0, at=5, hung_up=5.5, closed=9, outcome="pending")
    tale.refresh(0, at=5.5 + TIMING.quiet)
    tale.store("r1.1")
    assert broken(tale) == set()


def test_a_revocation_need_not_wait(tale: Tale) -> None:
    tale.consent(ended="revoked", ended_at=6.2)
    tale.refresh(0, at=5, hung_up=5.5, outcome="pending")
    tale.act(DISCONNECT, at=5.6)
    tale.refresh(0, at=6, via="worker-1")
    tale.store(None, "disconnected")
    assert broken(tale) == set()


def test_the_revocation_of_a_replaced_consent_need_not_wait(tale: Tale) -> None:
    tale.consent(ended="revoked", ended_at=6.2)
    tale.refresh(0, at=5, hung_up=5.5, outcome="pending")
    tale.consent(2, at=6.1)
    tale.refresh(0, at=6, via="worker-1")
    tale.store("r2.0")
    assert broken(tale) == {"quiet after an unknown result"}
    tale.consent(3, at=5.8)
    tale.record.rows.clear()
    tale.store("r3.0")
    assert "quiet after an unknown result" not in broken(tale)


def test_a_refusal_is_no_unknown_result(tale: Tale) -> None:
    tale.consent()
    tale.refresh(0, at=5, outcome="status_429", fault="status_429")
    tale.refresh(0, at=5.3, outcome="invalid_grant")
    tale.refresh(0, at=5.6)
    tale.store("r1.1")
    assert broken(tale) == set()


def test_a_consent_that_is_lost_for_nothing(tale: Tale) -> None:
    tale.consent()
    tale.refresh(0, at=5)
    tale.reuse(0, at=20)
    tale.store("r1.0", "error", unsure=1)
    assert broken(tale) == {"losses are explained"}


def test_another_process_was_killed(tale: Tale) -> None:
    tale.consent()
    tale.refresh(0, at=5)
    tale.kill(5.05, "gateway-2")
    tale.reuse(0, at=20)
    tale.store("r1.0", "error", unsure=1)
    assert broken(tale) == {"losses are explained"}


@pytest.mark.parametrize("why", [{}, {"hung_up": 5.05}, {"fault": "lost"}], ids=["killed", "hung-up", "lost"])
def test_an_answer_that_was_not_heard(tale: Tale, why: dict[str, Any]) -> None:
    tale.consent()
    tale.refresh(0, at=5, **why)
    if not why:
        tale.kill(5.05)
    tale.reuse(0, at=20)
    tale.store("r1.0", "error", unsure=1)
    assert broken(tale) == set()


def test_a_kill_that_took_a_moment(tale: Tale) -> None:
    """The request left while the process was dying."""
    tale.consent()
    tale.kill(4.995)
    tale.refresh(0, at=5)
    tale.reuse(0, at=20)
    tale.store("r1.0", "error", unsure=1)
    assert broken(tale) == set()


@pytest.mark.parametrize(
    ("hung_up", "expected"),
    [
        (9, set[str]()),
        (
            15.06,
            {
                "one refresh at a time",
                "quiet after an unknown result",
                "losses are explained",
                "losses are told",
            },
        ),
    ],
    ids=["late", "early"],
)
def test_a_request_that_the_provider_reads_late(tale: Tale, hung_up: float, expected: set[str]) -> None:
    """Its sender was gone, and somebody else had waited for long enough, sent the token again and stored the answer."""
    tale.consent()
    tale.refresh(0, at=15)
    tale.reuse(0, at=15.05, hung_up=hung_up)
    tale.store("r1.1", "error")
    assert broken(tale) == expected


def test_a_good_grant_that_is_given_up(tale: Tale) -> None:
    tale.consent()
    tale.store("r1.0", "error")
    assert broken(tale) == {"no good grant is given up"}


def test_a_dead_connection_that_is_shown_as_connected(tale: Tale) -> None:
    tale.consent(ended="user", ended_at=5)
    tale.store("r1.0")
    assert broken(tale) == {"losses are told"}


@pytest.mark.parametrize(("ended", "unsure"), [("user", 1), ("revoked", 1)])
def test_another_reason_is_told(tale: Tale, ended: str, unsure: int) -> None:
    tale.consent(ended=ended, ended_at=5)
    tale.store("r1.0", "error", unsure=unsure)
    assert broken(tale) == {"losses are told"}


def test_an_answer_that_did_not_come_before_the_consent_ended(tale: Tale) -> None:
    tale.consent(ended="user", ended_at=9)
    tale.refresh(0, at=5, hung_up=6.5, outcome="pending")
    tale.refresh(0, at=10, outcome="invalid_grant")
    tale.store("r1.0", "error", unsure=1)
    assert broken(tale) == set()


def test_a_lease_whose_holder_was_killed_before_it_sent_anything(tale: Tale) -> None:
    tale.consent(ended="user", ended_at=5)
    tale.kill(4)
    tale.store("r1.0", "error", unsure=1)
    assert broken(tale) == set()


def test_an_interruption_that_is_not_told(tale: Tale) -> None:
    tale.consent()
    tale.refresh(0, at=5, hung_up=5.05)
    tale.reuse(0, at=20)
    tale.store("r1.0", "error", unsure=0)
    assert broken(tale) == {"losses are told"}


def test_no_token_in_the_end(tale: Tale) -> None:
    tale.consent()
    tale.store("r1.0")
    tale.act(ISSUE, "PROVIDER_UNAVAILABLE", at=SETTLED + 1)
    assert broken(tale) == {"settled in the end"}


def test_an_issued_token_that_does_not_work(tale: Tale) -> None:
    tale.consent()
    tale.act(ISSUE, at=3, token="r1.0", accepted=False)
    tale.store("r1.0")
    assert broken(tale) == {"issued tokens work"}


def test_a_token_that_expired_meanwhile(tale: Tale) -> None:
    tale.consent()
    tale.act(ISSUE, at=3, token="r1.0", accepted=False)
    tale.expire("r1.0", 3.1)
    tale.store("r1.0")
    assert broken(tale) == set()
    tale.expire("r1.0", 2.9)
    assert broken(tale) == {"issued tokens work"}


def test_a_token_of_nobody(tale: Tale) -> None:
    tale.act(ISSUE, token="unknown")
    assert broken(tale) == {"issued tokens work"}


def test_a_token_after_a_disconnect(tale: Tale) -> None:
    tale.consent(ended="revoked", ended_at=20)
    tale.act(DISCONNECT, at=5)
    tale.act(ISSUE, at=6, token="r1.0")
    tale.store(None, "disconnected")
    assert broken(tale) == {"what has ended stays ended"}


@pytest.mark.parametrize(("status", "token"), [("connected", "r1.0"), ("disconnected", "r1.0"), ("error", None)])
def test_a_connection_that_is_there_again(tale: Tale, status: str, token: str | None) -> None:
    tale.consent()
    tale.act(DISCONNECT, at=5)
    tale.store(token, status)
    assert "what has ended stays ended" in broken(tale)


def test_connected_again(tale: Tale) -> None:
    tale.consent(ended="revoked", ended_at=6)
    tale.act(DISCONNECT, at=5)
    tale.consent(2, at=8)
    tale.act(ISSUE, at=9, token="r2.0")
    tale.store("r2.0")
    assert broken(tale) == set()


@pytest.mark.parametrize("status", ["pending", "failed", "unsupported"])
def test_a_revocation_that_is_not_delivered(tale: Tale, status: str) -> None:
    tale.revocation(status)
    assert broken(tale) == {"revocations are delivered"}


def test_a_consent_that_is_left(tale: Tale) -> None:
    tale.consent()
    tale.refresh(0, at=3)
    tale.act(DISCONNECT, at=5)
    tale.store(None, "disconnected")
    assert broken(tale) == {"nothing is left at the provider"}


def test_a_consent_that_was_replaced(tale: Tale) -> None:
    """Where a revocation would end the new one, too, it stays."""
    tale.consent(1, provider=WIDE)
    tale.consent(2, provider=WIDE, at=5)
    tale.store("r2.0", provider=WIDE)
    assert broken(tale) == set()
    tale.consent(3, "bob")
    tale.consent(4, "bob", at=5)
    tale.store("r4.0", user="bob")
    assert broken(tale) == {"nothing is left at the provider"}


def test_a_consent_that_was_replaced_by_one_that_was_lost(tale: Tale) -> None:
    """Its tokens were not kept, since their revocation would have ended the other one."""
    tale.consent(1, provider=WIDE)
    tale.consent(2, provider=WIDE, at=5)
    tale.refresh(0, at=8, family=2, fault="lost")
    tale.reuse(0, at=20, family=2)
    tale.store(None, "disconnected", provider=WIDE)
    assert broken(tale) == set()


def test_a_consent_whose_first_tokens_were_lost(tale: Tale) -> None:
    tale.consent()
    tale.kill(1.05)
    assert broken(tale) == set()


def test_an_exchange_that_took_too_long(tale: Tale) -> None:
    tale.consent(at=1.1)
    tale.record.acts.clear()
    tale.act(CONNECT, "PROVIDER_UNAVAILABLE", at=1)
    assert broken(tale) == set()


def test_an_answer_that_nobody_foresaw(tale: Tale) -> None:
    tale.act(ISSUE, GARBLED)
    assert broken(tale) == {"answers are known"}


@pytest.mark.parametrize("outcome", [LOST, REFUSED])
def test_an_answer_that_gets_lost(tale: Tale, outcome: str) -> None:
    tale.act(ISSUE, outcome, at=5)
    tale.kill(4.9, "gateway-2")
    assert broken(tale) == {"answers are known"}
    tale.kill(4.9)
    assert broken(tale) == set()


def test_an_answer_that_takes_too_long(tale: Tale) -> None:
    tale.act(ISSUE, "SERVICE_UNAVAILABLE", took=TIMING.lease + TIMING.patience + 1)
    assert broken(tale) == {"answered in time"}


def test_a_token_that_can_be_read(tale: Tale) -> None:
    tale.record.leaks.append("tendon.db-wal")
    assert broken(tale) == {"nothing is readable"}


def test_tokens_are_found_in_files(tmp_path: Path) -> None:
    known, unknown = f"rt_{'a' * 32}", f"at_{'b' * 32}"
    files = {"with": known, "without": unknown, "gone": ""}
    for name, token in files.items():
        (tmp_path / name).write_bytes(b"\0\xff" + token.encode() + b"\0")
    (tmp_path / "gone").unlink()
    assert readable_tokens((tmp_path / name for name in files), {known}) == ["with"]


def test_every_rule_is_shown_to_fail() -> None:
    """By the records above that stand alone."""
    shown_to_fail.clear()
    for name, test in list(globals().items()):
        if name.startswith("test_") and list(inspect.signature(test).parameters) == ["tale"]:
            test(Tale())
    # Shown by tests with parameters.
    assert set(RULES) - shown_to_fail == {"revocations are delivered"}
