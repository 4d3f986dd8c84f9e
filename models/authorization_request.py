"""An authorization request (RFC 6749 4.1.1): what `authorize` promised and a callback may redeem once."""

from __future__ import annotations

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model


class RequestStatus(StrEnum):
    """pending -> exchanging -> completed or failed. What was never sent leads from exchanging back to pending."""

    PENDING = "pending"
    EXCHANGING = "exchanging"
    COMPLETED = "completed"
    FAILED = "failed"


class AuthorizationRequest(Model):
    """One row per state. The state itself is never stored, only its SHA-256; so is the code that claimed it.

    `registration` pins our client and the provider's endpoints as they were when the user left. `owner` is
    the attempt that holds or held the claim, and from `lease_until` on it counts as dead. `error` is the contract's
    code of a failed request, so that a repeated callback hears the same. After `purge_after` a claim is to be ended and
    any other row may go. All moments are of the database's clock.
    """

    state_hash = fields.CharField(max_length=64, primary_key=True)
    user_id = fields.CharField(max_length=255)
    provider = fields.CharField(max_length=63)
    redirect_uri = fields.TextField()
    registration = fields.CharField(max_length=64)
    scopes = fields.JSONField[list[str]]()
    verifier = fields.BinaryField(null=True)
    status = fields.CharField(max_length=16)
    code_hash = fields.CharField(max_length=64, null=True)
    owner = fields.CharField(max_length=64, null=True)
    lease_until = fields.DatetimeField(null=True)
    connection_id = fields.UUIDField(null=True)
    error = fields.CharField(max_length=64, null=True)
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    purge_after = fields.DatetimeField(db_index=True)

    class Meta(Model.Meta):
        table = "authorization_request"
        table_description = "states that wait for their callback, or had it"


def verifier_row(state_hash: str, user_id: str, provider: str, redirect_uri: str) -> tuple[str, str, str, str]:
    """The row that the vault binds a verifier to: everything that belongs to its state, so that the verifier does not
    open after the row's user, provider or redirect URI was changed."""
    return (state_hash, user_id, provider, redirect_uri)
