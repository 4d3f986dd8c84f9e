"""After lost commits, what had no part in them is judged as ever, and what had is not judged by what was lost."""

from __future__ import annotations

from tests.failover.losses import violations_beside_losses
from tests.torture.tale import Tale

LOSS = (10.0, 20.0)


def broken(tale: Tale) -> set[str]:
    return {violation.rule for violation in violations_beside_losses(tale.record, *LOSS)}


def test_a_connection_that_was_lost_with_its_commit() -> None:
    tale = Tale()
    tale.connected("ann", at=LOSS[0] + 1)
    assert broken(tale) == set()


def test_a_connection_that_was_committed_before() -> None:
    tale = Tale()
    tale.connected("ann", at=LOSS[0] - 5)
    assert broken(tale) == {"I3 durable"}


def test_a_code_that_was_sent_twice() -> None:
    tale = Tale()
    flow = tale.connected("ann", at=LOSS[0] + 1)
    tale.exchange(flow, LOSS[1] + 5, "invalid_grant")
    assert broken(tale) == set()
    early = tale.connected("bob", at=LOSS[0] - 5)
    tale.store(early)
    tale.exchange(early, LOSS[1] + 5, "invalid_grant")
    assert broken(tale) == {"I1 one exchange per code"}


def test_what_no_loss_excuses() -> None:
    tale = Tale()
    flow = tale.connected("ann", at=LOSS[0] + 1)
    tale.store(flow, unreadable="access_token: it does not open")
    tale.request(flow, "exchanging")
    assert broken(tale) == {"corrupt", "R3 settled in the end"}
