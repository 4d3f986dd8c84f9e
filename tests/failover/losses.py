"""What holds even if commits were lost: everything for flows that had no part in it, and for all others that nothing is
corrupt, disclosed, or left without an end."""

from __future__ import annotations

from dataclasses import replace

from tests.torture.checker import Violation, violations
from tests.torture.record import Record

_WHATEVER_IS_LOST = {"I2 one connection", "I5 private", "contract: every answer is known", "R3 settled in the end"}


def violations_beside_losses(record: Record, began: float, ended: float) -> list[Violation]:
    """Commits between these two times may have been lost."""
    found = [one for one in violations(record) if one.rule in _WHATEVER_IS_LOST]
    found += [Violation("corrupt", str(row), ()) for row in record.connections if row.unreadable]
    return found + violations(_without(record, began, ended))


def _without(record: Record, began: float, ended: float) -> Record:
    """The record of those users who did nothing in this time."""
    history = record.history
    losers = {one.user for one in history.operations if one.began <= ended and one.ended >= began}
    rest = replace(
        history,
        flows={number: flow for number, flow in history.flows.items() if flow.user not in losers},
        operations=[one for one in history.operations if one.user not in losers],
    )
    return replace(
        record,
        history=rest,
        connections=[row for row in record.connections if row.user not in losers],
        requests=[row for row in record.requests if row.user not in losers],
    )
