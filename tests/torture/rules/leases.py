"""What takes how long: nothing stays unsettled past its lease, and what nobody disturbed succeeds."""

from __future__ import annotations

from tests.torture.history import OK, Operation
from tests.torture.record import Exchange, Record
from tests.torture.rules.findings import Findings

# What a busy machine may add to a lease.
_GRACE = 8.0


def settled_in_the_end(record: Record) -> Findings:
    """R3: once the faults are over, whoever sends the callback again hears how it ended."""
    for flow in record.flows:
        after = [one for one in record.right(flow) if one.began >= record.settled]
        if after and after[-1].answer.passing:
            yield f"flow {flow.number} has no end", record.story(flow)
    for row in record.requests:
        if row.status == "exchanging":
            yield "a request is still exchanging after all was sent again", (row,)


def within_the_lease(record: Record) -> Findings:
    """R3: when all is well again nobody waits longer than a lease that was left behind."""
    for one in record.history.operations:
        if one.began >= record.settled and one.ended - one.began > record.lease + _GRACE:
            yield f"an answer took {one.ended - one.began:.1f} s", (one,)


def undisturbed_succeeds(record: Record) -> Findings:
    """R4. A code that the provider exchanged without a fault, while nothing was wrong with the gateways that were asked
    or with the database, is a connection. A clock that differs is no excuse, nor is a user who hung up."""
    for flow in record.flows:
        asked, finals = record.exchanges_of(flow), record.final(flow)
        if len(asked) != 1 or asked[0] not in record.issued(flow) or asked[0].fault or not finals:
            continue
        tried = [one for one in record.callbacks(flow) if one.began <= finals[0].ended]
        decided = _in_time(record, tried, finals[0]) or _abandoned(record, asked[0], finals[0])
        if decided and finals[0].answer.outcome != OK and not _disturbed(record, tried):
            yield f"flow {flow.number} failed though nothing was wrong", record.story(flow)


def _in_time(record: Record, tried: list[Operation], final: Operation) -> bool:
    """The provider's time-out can't be the reason, however slow the machine was."""
    return final.ended - min(one.began for one in tried) < record.provider_timeout


def _abandoned(record: Record, asked: Exchange, final: Operation) -> bool:
    """Nobody heard anything until the lease was over."""
    return final.ended - asked.at > record.lease - 1


def _disturbed(record: Record, tried: list[Operation]) -> bool:
    gateways = {one.gateway for one in tried}
    return any(fault.target is None or fault.target in gateways for fault in record.disturbed(tried))
