"""What reached the provider: one exchange for a code, and no success or final failure without one."""

from __future__ import annotations

from tests.torture.history import HUNG_UP, LOST, OK
from tests.torture.record import Record
from tests.torture.rules.findings import Findings


def one_exchange_per_code(record: Record) -> Findings:
    """I1, R2. A state's other codes count as well: a state is spent once."""
    for flow in record.flows:
        asked = record.exchanges_of(flow)
        if len(asked) > 1:
            yield f"the provider was asked {len(asked)} times for flow {flow.number}", record.story(flow)


def a_success_was_issued(record: Record) -> Findings:
    """A connection that is acknowledged has tokens that the provider gave for this very code."""
    for flow in record.flows:
        if record.acknowledged(flow) and not record.issued(flow):
            yield f"flow {flow.number} was acknowledged and no tokens were ever given for it", record.story(flow)


def unavailable_spends_nothing(record: Record) -> Findings:
    """R5. Decided only where every answer is known, for an attempt that died may have held the claim; where nothing was
    wrong with the line to the provider, for what was sent may have got lost on it; and within a lease, where anything
    was wrong: a claim whose answer got lost can't be given back by a process, or to a database, that stands still."""
    for flow in record.flows:
        tried, failed = record.callbacks(flow), [one for one in record.final(flow) if one.answer.outcome != OK]
        if not failed or flow.error or record.exchanges_of(flow) or not tried[0].answer.passing:
            continue
        tried = [one for one in tried if one.began <= failed[0].ended]
        unknown = any(one.answer.outcome in (LOST, HUNG_UP) for one in tried)
        disturbed = record.disturbed(tried)
        stood = bool(disturbed) and failed[0].ended - tried[0].began >= record.lease
        if not unknown and not stood and not any(fault.kind.startswith("provider") for fault in disturbed):
            yield f"flow {flow.number} was to be tried again, and then it had failed unasked", record.story(flow)
