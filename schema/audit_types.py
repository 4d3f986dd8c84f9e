"""The GraphQL types of the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import strawberry

from models.audit_trail import FoundEvent
from resolvers import audit_trail
from schema.info import Info


@strawberry.type(description="Something that was done, or denied, and is recorded in the audit trail.")
class AuditEvent:
    at: datetime
    action: str = strawberry.field(description="What was done, such as `complete` or `read`.")
    outcome: str = strawberry.field(description="`ok`, `replayed`, or the code of an error.")
    actor: strawberry.ID | None = strawberry.field(
        description="The user who did it. Null if it was a service, or if the user was forgotten."
    )
    actor_pseudonym: str | None = strawberry.field(
        description="The user's pseudonym in the audit trail, which stays when the user is forgotten. Null if it was a"
        " service."
    )
    client_id: str | None = strawberry.field(description="The app or the service that did it.")
    subject: strawberry.ID | None = strawberry.field(
        description="The user whom it is about. Null if nobody, if the user never used this service, or was forgotten."
    )
    subject_pseudonym: str | None = strawberry.field(description="The pseudonym of the user whom it is about.")
    provider: str | None = strawberry.field(description="The provider's slug.")
    connection_id: strawberry.ID | None = strawberry.field(description="The connection that it is about.")
    scopes: list[str] = strawberry.field(description="The scopes that were granted.")
    count: int = strawberry.field(description="How many equal events this one stands for.")
    request_id: str = strawberry.field(
        description="The `X-Request-Id` of the request, of the last one if there were several."
    )

    @classmethod
    def of(cls, found: FoundEvent) -> AuditEvent:
        event = found.event
        return cls(
            at=event.at,
            action=event.action,
            outcome=event.outcome,
            actor=_id(found.actor_user),
            actor_pseudonym=event.actor,
            client_id=event.client_id,
            subject=_id(found.subject_user),
            subject_pseudonym=event.subject,
            provider=event.provider,
            connection_id=_id(event.connection_id),
            scopes=event.scopes,
            count=event.count,
            request_id=event.request_id,
        )


def _id(text: str | None) -> strawberry.ID | None:
    return None if text is None else strawberry.ID(text)


@strawberry.type(description="A part of the audit trail.")
class AuditPage:
    events: list[AuditEvent] = strawberry.field(
        description="Newest first. There may be fewer than were asked for, or none, although `next` is not null."
    )
    next: str | None = strawberry.field(
        description="Pass it as `after` to get the next page. Null after the oldest event."
    )

    @classmethod
    def of(cls, page: audit_trail.AuditPage) -> AuditPage:
        return cls(events=[AuditEvent.of(found) for found in page.events], next=page.next)


@strawberry.type
class AuditQuery:
    """The query of the audit trail."""

    @strawberry.field(
        description="The audit trail, newest event first, for services with the scope `read:audit`. `userId` finds the"
        f" events about this user. `first` is how many events to return at most: {audit_trail.DEFAULT} by default, and"
        f" up to {audit_trail.MOST}."
    )
    async def audit_events(
        self,
        info: Info,
        user_id: strawberry.ID | None = strawberry.UNSET,
        connection_id: strawberry.ID | None = strawberry.UNSET,
        action: str | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        first: int | None = strawberry.UNSET,
    ) -> AuditPage | None:
        given = (user_id, connection_id, action, after, first)
        # An argument that was left out is the same as null.
        query = audit_trail.Query(*(None if value is strawberry.UNSET else value for value in cast("Any", given)))
        return AuditPage.of(await audit_trail.read_audit_trail(info.context, query))
