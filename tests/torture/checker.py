"""Judging a run: its history, the sandbox's log and the rows in the end, against what Tendon promises.

Pure functions: each rule takes the record and yields what is wrong with the events that show it. A rule judges only
what is decided whatever the order of things that overlapped, so whatever it finds is a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.torture.record import Record
from tests.torture.rules import answers, connections, exchanges, leases
from tests.torture.rules.findings import Findings

RULES: dict[str, Callable[[Record], Findings]] = {
    "I1 one exchange per code": exchanges.one_exchange_per_code,
    "I1 success comes from the provider": exchanges.a_success_was_issued,
    "I2 one connection": connections.one_connection,
    "I3 durable": connections.durable,
    "I3 what is stored was acknowledged": connections.stored_is_acknowledged,
    "I3 listed": connections.listed,
    "I4 newest": connections.newest,
    "I5 private": connections.private,
    "contract: every answer is known": answers.of_the_contract,
    "contract: the same callback, the same end": answers.one_end,
    "contract: a state is spent on one code": answers.one_code,
    "R3 settled in the end": leases.settled_in_the_end,
    "R3 within the lease": leases.within_the_lease,
    "R5 unavailable spends nothing": exchanges.unavailable_spends_nothing,
    "undisturbed succeeds": leases.undisturbed_succeeds,
}


@dataclass(frozen=True, slots=True)
class Violation:
    """`rule` is the promise that was broken, `events` what happened around it, one a line."""

    rule: str
    told: str
    events: tuple[str, ...]

    def __str__(self) -> str:
        return "\n  ".join([f"{self.rule}: {self.told}", *self.events])


def violations(record: Record) -> list[Violation]:
    return [
        Violation(name, told, tuple(str(event) for event in events))
        for name, rule in RULES.items()
        for told, events in rule(record)
    ]
