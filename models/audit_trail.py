"""Reads the audit trail, newest event first, page by page.

Events are found by the index on their id, or by that on their user. Any other condition is tested on a limited number
of events at a time, so that no page takes long, however rare the events are that it looks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from models.audit_event import SHOWN, StoredEvent
from models.database import Database
from models.statement import Statement

NEWEST: Final = 2**63 - 1
"""Above all ids."""
TESTED: Final = 10_000
"""How many events a page tests at most, which takes either engine a few milliseconds."""


class EventFilter(msgspec.Struct, frozen=True):
    """Which events to find; None stands for all. `subjects` are the pseudonyms of one user."""

    subjects: Sequence[str] | None = None
    connection_id: str | None = None
    action: str | None = None

    @property
    def tests(self) -> bool:
        """Whether there is a condition that no index decides."""
        return self.connection_id is not None or self.action is not None


class FoundEvent(msgspec.Struct, frozen=True):
    """An event with the users whom its pseudonyms still lead to."""

    event: StoredEvent
    actor_user: str | None
    subject_user: str | None


class EventPage(msgspec.Struct, frozen=True):
    """Events, newest first, and below which id the next page begins: None if there is none."""

    events: Sequence[FoundEvent]
    next: int | None


_USERS: Final = """(SELECT user_id FROM audit_subject WHERE pseudonym = audit_event.actor) AS actor_user,
    (SELECT user_id FROM audit_subject WHERE pseudonym = audit_event.subject) AS subject_user"""
_FOUND: Final = """id < :before AND id > :above
    AND (:any_action OR action = :action) AND (:any_connection OR connection_id = :connection_id)
    ORDER BY id DESC LIMIT :most"""
_OF_ALL: Final = Statement(
    "SELECT {users}, {shown} FROM audit_event WHERE {found}", users=_USERS, shown=SHOWN, found=_FOUND
)
_OF_SUBJECT: Final = Statement(
    "SELECT {users}, {shown} FROM audit_event WHERE subject = :subject AND {found}",
    users=_USERS,
    shown=SHOWN,
    found=_FOUND,
)
# The first event that a page doesn't test.
_NEXT_OF_ALL: Final = Statement("SELECT id FROM audit_event WHERE id < :before ORDER BY id DESC LIMIT 1 OFFSET :tested")
_NEXT_OF_SUBJECT: Final = Statement(
    """
    SELECT id FROM audit_event WHERE subject = :subject AND id < :before ORDER BY id DESC LIMIT 1 OFFSET :tested"""
)


async def find_events(
    database: Database, wanted: EventFilter, *, before: int, most: int, tested: int = TESTED
) -> EventPage:
    """The newest `most` events with ids below `before`.

    A page has fewer events, or none, if it would have to test more than `tested` of them for a condition that no index
    decides; `next` is set then. Raises DatabaseDown.
    """
    # Before the events, because another event may be committed below `before` in between.
    above = await _untested(database, wanted, before, tested) if wanted.tests else 0
    values: dict[str, Any] = {
        "before": before,
        "above": above,
        "any_action": wanted.action is None,
        "action": wanted.action,
        "any_connection": wanted.connection_id is None,
        "connection_id": wanted.connection_id,
        # One more, to know whether there is another page.
        "most": most + 1,
    }
    if wanted.subjects is None:
        rows = list(await _OF_ALL.rows(database, **values))
    else:
        # Nearly always one pseudonym. Each is a statement of its own, or else all events of the user would be sorted.
        rows = [
            row for subject in wanted.subjects for row in await _OF_SUBJECT.rows(database, subject=subject, **values)
        ]
    events = [FoundEvent(StoredEvent.of(event), actor, subject) for actor, subject, *event in rows]
    events.sort(key=lambda found: found.event.id, reverse=True)
    if len(events) > most:
        return EventPage(events[:most], events[most - 1].event.id)
    return EventPage(events, above + 1 if above else None)


async def _untested(database: Database, wanted: EventFilter, before: int, tested: int) -> int:
    """The id of the newest event that the page doesn't test, 0 if it tests all."""
    if wanted.subjects is None:
        rows = await _NEXT_OF_ALL.rows(database, before=before, tested=tested)
        return rows[0][0] if rows else 0
    found = [
        row[0]
        for subject in wanted.subjects
        for row in await _NEXT_OF_SUBJECT.rows(database, subject=subject, before=before, tested=tested)
    ]
    return max(found, default=0)
