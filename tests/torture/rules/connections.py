"""What is stored: one connection for a user and a provider, durable, with the newest tokens, seen by its user only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.torture.history import OK, Flow, Operation
from tests.torture.record import Record, StoredConnection
from tests.torture.rules.findings import Findings


@dataclass(frozen=True, slots=True)
class Sighting:
    """A connection as somebody was shown it, or as it is stored."""

    id: str
    user: str
    provider: str
    created_at: str
    where: object

    @property
    def identity(self) -> tuple[str, str]:
        return (self.id, self.created_at)


def one_connection(record: Record) -> Findings:
    """I2, and `id` and `createdAt` never change: not by connecting again, not from one answer to the next."""
    seen: dict[tuple[str, str], Sighting] = {}
    for one in _sightings(record):
        first = seen.setdefault((one.user, one.provider), one)
        if one.identity != first.identity:
            yield f"{one.user} has two connections at {one.provider}", (first.where, one.where)
    rows = [(one.user, one.provider) for one in record.connections]
    for pair in {pair for pair in rows if rows.count(pair) > 1}:
        yield f"{pair[0]} has two rows at {pair[1]}", record.stored(*pair)


def durable(record: Record) -> Findings:
    """I3: what was acknowledged is there, opens under the vault's keys, and the provider takes it."""
    for flow in record.flows:
        if not record.acknowledged(flow):
            continue
        rows = record.stored(flow.user, flow.provider)
        if not rows:
            yield f"flow {flow.number} was acknowledged and nothing is stored", record.story(flow)
        for row in rows:
            useless = row.unreadable or not row.accepted or row.status != "connected"
            if useless and not _told_of_another(record, row, flow):
                yield f"flow {flow.number} was acknowledged and its connection is of no use", record.story(flow)


def _told_of_another(record: Record, row: StoredConnection, flow: Flow) -> bool:
    """Several flows lead to one row. The one whose tokens are there is told of."""
    kept = _flow_of(record, row)
    return kept is not None and kept != flow and bool(record.acknowledged(kept))


def stored_is_acknowledged(record: Record) -> Findings:
    """What lies there belongs to a flow that ended well for its user, and both tokens came from it."""
    for row in record.connections:
        flow = _flow_of(record, row)
        if flow is None or (flow.user, flow.provider) != (row.user, row.provider):
            yield f"{row.user} has tokens at {row.provider} that were not given to them", (row,)
            continue
        if any(one.answer.outcome != OK for one in record.final(flow)):
            yield f"flow {flow.number} is stored and its user was told that it failed", record.story(flow)
        if row.refresh != _given_refresh(record, flow):
            yield f"flow {flow.number} is stored without the refresh token that it gave", record.story(flow)


def newest(record: Record) -> Findings:
    """I4. Tokens are older when their flow was acknowledged before a callback of the other flow was sent.

    Which of two flows that overlapped has the newer tokens can't be known from outside: a token request may lie in a
    socket while the other flow's is sent and answered, and a clock that was set may order the two either way.
    """
    for row in record.connections:
        kept = _flow_of(record, row)
        known = min((one.ended for one in record.acknowledged(kept)), default=None) if kept else None
        if kept is None or known is None:
            continue
        for flow in record.flows:
            if (flow.user, flow.provider) != (row.user, row.provider) or not record.acknowledged(flow):
                continue
            if record.issued(flow) and all(one.began > known for one in record.callbacks(flow)):
                told = f"flow {flow.number} came after flow {kept.number}, whose tokens are stored"
                yield told, (*record.story(kept), *record.story(flow))


def listed(record: Record) -> Findings:
    """A list that was asked for after an acknowledgement shows the connection."""
    acknowledged = [
        (flow, min(one.ended for one in done)) for flow in record.flows if (done := record.acknowledged(flow))
    ]
    for one in record.history.operations:
        if one.action != "list" or one.answer.outcome != OK or one.about != one.user:
            continue
        shown = {item["providerSlug"] for item in _shown(one)}
        for flow, since in acknowledged:
            if flow.user == one.user and since < one.began and flow.provider not in shown:
                yield f"flow {flow.number} was acknowledged and is missing from a list", (*record.story(flow), one)


def private(record: Record) -> Findings:
    """I5: whatever anybody is shown is their own."""
    for one in record.history.operations:
        if any(item["userId"] != one.user for item in _shown(one)):
            yield f"{one.user} was shown somebody else's connection", (one,)
        if one.action == "list" and one.about != one.user and not _denied(one):
            yield f"{one.user} was not denied the list of {one.about}", (one,)
        owner = record.history.flows[one.flow].user if one.flow is not None else one.user
        if owner != one.user and not (one.answer.passing or one.answer.outcome == "INVALID_STATE"):
            yield f"{one.user} was told something about the flow of {owner}", (one,)


def _denied(one: Operation) -> bool:
    return one.answer.passing or one.answer.outcome == "FORBIDDEN"


def _shown(one: Operation) -> list[dict[str, Any]]:
    if one.answer.outcome != OK or one.action not in ("callback", "list"):
        return []
    return one.answer.data["connections"] if one.action == "list" else [one.answer.data["connection"]]


def _sightings(record: Record) -> Iterator[Sighting]:
    for one in record.history.operations:
        for item in _shown(one):
            yield Sighting(item["id"], item["userId"], item["providerSlug"], item["createdAt"], one)
    for row in record.connections:
        yield Sighting(row.id, row.user, row.provider, row.created_at, row)


def _flow_of(record: Record, row: StoredConnection) -> Flow | None:
    """The flow whose code gave the access token of the row."""
    token = record.tokens.get(row.access or "")
    return record.flow_of_account(token.account) if token else None


def _given_refresh(record: Record, flow: Flow) -> str | None:
    """What the provider gave and let through."""
    if any(one.fault == "no_refresh" for one in record.exchanges_of(flow)):
        return None
    given = [one for one in record.tokens.values() if one.account == flow.account and one.kind == "refresh_token"]
    return given[-1].value if given else None
