"""The GraphQL types for forgetting users."""

from __future__ import annotations

import strawberry

from resolvers.erasure import EndedGrant, Receipt, RemovedRows
from schema.revocations import RevocationStatus


@strawberry.input(description="The user to forget.")
class EraseUserInput:
    user_id: strawberry.ID


@strawberry.type(description="How many rows were removed, of each kind.")
class ErasedRows:
    authorization_requests: int = strawberry.field(description="States of the last minutes.")
    ended_requests: int = strawberry.field(description="States that have ended.")
    connections: int
    accounts: int = strawberry.field(description="Accounts of providers that belonged to the user.")
    audit_subjects: int = strawberry.field(description="What led from the user's pseudonyms to the user.")

    @classmethod
    def of(cls, removed: RemovedRows) -> ErasedRows:
        return cls(
            authorization_requests=removed.authorization_requests,
            ended_requests=removed.ended_requests,
            connections=removed.connections,
            accounts=removed.accounts,
            audit_subjects=removed.audit_subjects,
        )


@strawberry.type(description="A connection that was ended, and how its provider is told.")
class ErasedGrant:
    connection_id: strawberry.ID = strawberry.field(description="The id that the connection had.")
    provider_slug: str
    revocation: RevocationStatus = strawberry.field(
        description="`pending`: the provider will be told. `unsupported`: it can't be told. `failed`: the tokens could"
        " not be decrypted. For the last two, the user can end the access in the provider's own settings."
    )

    @classmethod
    def of(cls, grant: EndedGrant) -> ErasedGrant:
        return cls(
            connection_id=strawberry.ID(grant.connection_id), provider_slug=grant.provider, revocation=grant.status
        )


@strawberry.type(description="What was removed of a user, and what is left for some days.")
class EraseUserPayload:
    pseudonym: strawberry.ID = strawberry.field(
        description="The user's pseudonym, which stays in the audit trail and leads to nobody any more."
    )
    removed: ErasedRows = strawberry.field(description="All zero if nothing was stored of the user.")
    grants: list[ErasedGrant] = strawberry.field(description="The connections that this has ended.")
    pending_revocations: int = strawberry.field(
        description="How many revocations are still to be delivered, also those of earlier disconnects. Until then, for"
        " a week at most, or two if nothing can be sent, each has the user's id, the provider's id of the user and the"
        " tokens, encrypted."
    )
    file_purged: bool | None = strawberry.field(
        description="Whether SQLite's write-ahead log has no earlier copies any more. If false, another process was"
        " using the file: erase the user once more. Null on PostgreSQL, which removes earlier copies by itself."
    )

    @classmethod
    def of(cls, receipt: Receipt) -> EraseUserPayload:
        return cls(
            pseudonym=strawberry.ID(receipt.pseudonym),
            removed=ErasedRows.of(receipt.removed),
            grants=[ErasedGrant.of(grant) for grant in receipt.grants],
            pending_revocations=receipt.pending,
            file_purged=receipt.file_purged,
        )
