"""What users are told: the contract's codes and shapes, and never two different ends of the same callback."""

from __future__ import annotations

from tests.torture.calling import REST
from tests.torture.history import GARBLED, OK, Operation
from tests.torture.record import Record
from tests.torture.rules.findings import Findings

# The contract's table, as far as what is asked here can be answered with.
STATUS = {
    "INVALID_STATE": 400,
    "INVALID_GRANT": 400,
    "ACCESS_DENIED": 400,
    "FORBIDDEN": 403,
    "RATE_LIMITED": 429,
    "PROVIDER_UNAVAILABLE": 500,
    "PROVIDER_MISCONFIGURED": 500,
    "SERVICE_UNAVAILABLE": 503,
}
SUCCESS = {"authorize": 200, "callback": 201, "list": 200}
_LATER = {"SERVICE_UNAVAILABLE", "RATE_LIMITED"}
CODES = {
    "authorize": _LATER,
    "list": _LATER | {"FORBIDDEN"},
    "callback": STATUS.keys() - {"FORBIDDEN"},
}
MEMBERS = {"id", "userId", "providerId", "providerSlug", "status", "lastSyncAt", "createdAt"}
_UNSAID = ("refused", "lost", "hung up")


def of_the_contract(record: Record) -> Findings:
    """Every answer is one of the contract's, with its status, and success has its shape. INTERNAL_ERROR is what nobody
    foresaw, and every fault of a run is foreseen."""
    for one in record.history.operations:
        if wrong := _wrong(one):
            yield f"the answer is none that it can be: {wrong}", (one, one.answer.data or "")


def one_end(record: Record) -> Findings:
    """The same callback sent again hears the same, whoever is asked and whenever."""
    for flow in record.flows:
        ends = {one.answer.outcome for one in record.final(flow)}
        if len(ends) > 1:
            yield f"flow {flow.number} ended in {len(ends)} ways: {', '.join(sorted(ends))}", record.story(flow)


def one_code(record: Record) -> Findings:
    """A state is spent on one code: all others hear INVALID_STATE, and so does the right one only after another."""
    for flow in record.flows:
        decided = [one for one in record.callbacks(flow) if one.user == flow.user and not one.answer.passing]
        taken = {one.code for one in decided if one.answer.outcome != "INVALID_STATE"}
        if len(taken) > 1:
            yield f"flow {flow.number} was spent on {len(taken)} codes", record.story(flow)
        if not record.others(flow) and any(one.answer.outcome == "INVALID_STATE" for one in decided):
            yield f"flow {flow.number} is nobody else's and was refused", record.story(flow)


def _wrong(one: Operation) -> str | None:
    outcome, status = one.answer.outcome, one.answer.status
    if outcome in _UNSAID:
        return None
    if outcome == OK:
        expected = SUCCESS[one.action] if one.interface == REST else 200
        return _shape(one) if status == expected else f"status {status}"
    if outcome == GARBLED or outcome not in CODES[one.action]:
        return outcome
    if outcome == "SERVICE_UNAVAILABLE" and not one.answer.retry_after:
        return "unavailable, and not for how long"
    return f"status {status}" if one.interface == REST and status != STATUS[outcome] else None


def _shape(one: Operation) -> str | None:
    data = one.answer.data
    items = [data["connection"]] if one.action == "callback" else data.get("connections", [])
    if any(item.keys() != MEMBERS for item in items):
        return "the members are others"
    if one.action == "callback" and (items[0]["status"], items[0]["lastSyncAt"]) != ("connected", None):
        return "it is not connected"
    return None
