"""Reads the audit trail for services. Each read is recorded in it before it is answered."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from models.audit_subject import stored_pseudonyms
from models.audit_trail import NEWEST, EventFilter, FoundEvent, find_events
from resolvers import audit, inputs
from resolvers.caller import READ_AUDIT, with_scope
from resolvers.context import Context
from resolvers.errors import Forbidden, Problem, ValidationError

DEFAULT: Final = 50
"""The number of events on a page, unless the caller asks for another one."""
MOST: Final = 200

_ACTION: Final = 32
_CURSOR_BYTES: Final = 8


class Query(Struct, frozen=True):
    """What to read; None where the caller says nothing. `after` is the cursor of the page before."""

    user_id: str | None = None
    connection_id: str | None = None
    action: str | None = None
    after: str | None = None
    first: int | None = None


class AuditPage(Struct, frozen=True):
    """Events, newest first, and the cursor of the next page: None if there is none."""

    events: Sequence[FoundEvent]
    next: str | None


async def read_audit_trail(context: Context, query: Query) -> AuditPage:
    """One page. Raises ValidationError, and InsufficientScope or Forbidden for anybody but a service that may read
    the audit trail."""
    try:
        if not with_scope(context.caller, READ_AUDIT).is_service:
            raise Forbidden("Only services can read the audit trail.")
    except Problem as problem:
        await audit.denied(context, audit.READ_AUDIT, problem, subject=query.user_id)
        raise
    most = _first(query.first)
    before = NEWEST if query.after is None else _position(query.after)
    connection_id = None if query.connection_id is None else _uuid(query.connection_id)
    action = None if query.action is None else inputs.text("action", query.action, _ACTION)
    subjects = None if query.user_id is None else await _pseudonyms(context, query.user_id)
    wanted = EventFilter(subjects, connection_id, action)
    page = await find_events(context.resources.database, wanted, before=before, most=most)
    # After the events were read, so that a page doesn't begin with the record of its own read.
    await audit.record(context, audit.READ_AUDIT, subject=query.user_id, connection_id=connection_id)
    return AuditPage(page.events, None if page.next is None else _cursor(page.next))


async def _pseudonyms(context: Context, user_id: str) -> list[str]:
    """All that the user's events may have. The computed one finds those of a forgotten user, too."""
    resources = context.resources
    current = await resources.pseudonyms.of(inputs.text("userId", user_id, inputs.USER))
    stored = await stored_pseudonyms(resources.database, user_id)
    return sorted(stored if current is None else stored | {current})


def _first(first: int | None) -> int:
    if first is None:
        return DEFAULT
    if not 1 <= first <= MOST:
        raise ValidationError(f"first must be from 1 to {MOST}.")
    return first


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValidationError("connectionId must be the id of a connection.") from None


def _cursor(position: int) -> str:
    """The page continues below this id."""
    return base64.urlsafe_b64encode(position.to_bytes(_CURSOR_BYTES, "big")).decode().rstrip("=")


def _position(cursor: str) -> int:
    try:
        position = int.from_bytes(base64.urlsafe_b64decode(f"{cursor}="), "big")
        # Only what `_cursor` makes, because the decoder skips what it doesn't know.
        if position <= NEWEST and _cursor(position) == cursor:
            return position
    except ValueError:
        pass
    raise ValidationError("after must be the `next` of another page.")
