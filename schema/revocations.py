"""What a connection shows of its revocation."""

from __future__ import annotations

from datetime import datetime

import strawberry

from models.revocation import RevocationStatus, ShownRevocation

strawberry.enum(RevocationStatus, description="What has become of telling the provider.", graphql_name_from="value")


@strawberry.type(description="How the provider is told that a connection has ended, by a revocation of its tokens.")
class Revocation:
    status: RevocationStatus
    attempts: int = strawberry.field(description="How often the provider was asked.")
    delivered_at: datetime | None = strawberry.field(description="When the provider confirmed it.")

    @classmethod
    def of(cls, row: ShownRevocation) -> Revocation:
        return cls(status=RevocationStatus(row.status), attempts=row.attempts, delivered_at=row.delivered_at)
