"""An authorization request (RFC 6749 4.1.1): what `authorize` stores under a state, for one callback to redeem.

One conditional UPDATE decides which attempt may exchange its code. This claim is a lease that belongs to an `owner`,
and whatever ends it requires that it is still that owner's.

The table has the requests of the last minutes only: `ended_request` remembers those that have ended. No statement here
changes an indexed column of a row that this version has made, so PostgreSQL updates it within its page (HOT).
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct, json
from msgspec.structs import asdict

from models.audit_event import NAMED, RECORDED, RECORDED_WITH_PROVIDER, AuditEntry
from models.database import Database
from models.engine import digest
from models.statement import Statement
from models.vault import SealedField

LIFETIME: Final = timedelta(minutes=10)
"""From authorize to callback."""
_LIFETIME_SECONDS: Final = LIFETIME.total_seconds()


class RequestStatus(StrEnum):
    """pending -> exchanging -> completed or failed. A claim that nothing was sent for leads back to pending."""

    PENDING = "pending"
    EXCHANGING = "exchanging"
    COMPLETED = "completed"
    FAILED = "failed"


STATUSES: Final = {status.value: f"'{status}'" for status in RequestStatus}
"""Each as a fragment of SQL, for a Statement."""


def state_hash(state: str) -> str:
    """All that is stored of a state, so nobody who reads the database can finish a flow."""
    return hashlib.sha256(state.encode()).hexdigest()


OF_STATE: Final = "state_hash = :state_hash AND user_id = :user_id"
"""The primary key."""
HELD: Final = f"{OF_STATE} AND owner = :owner AND status = {STATUSES['exchanging']}"
"""A claim that is still the owner's."""
COMPLETED: Final = f"status = {STATUSES['completed']}, error = NULL, verifier = NULL, lease_until = NULL"
"""What a completed request has, beside its connection."""


class StateBinding(Struct, frozen=True):
    """All that a state is bound to. A callback that differs in any of it gets INVALID_STATE. Its attributes are the
    columns that have it. `site` is empty unless the provider has several."""

    state_hash: str
    user_id: str
    provider: str
    redirect_uri: str
    registration: str
    site: str = ""

    def ended(self, code_hash: str) -> dict[str, bytes]:
        """What `ended_request` has of this request after it ended with the code of this hash."""
        # The site is part of the registration.
        bound = (self.provider, self.redirect_uri, self.registration)
        return {"ended_state": digest(self.state_hash), "ended_code": digest(*bound, code_hash)}

    @property
    def verifier_field(self) -> SealedField:
        """The field of the sealed verifier. It doesn't open after the row's user, provider or redirect URI changed."""
        row = (self.state_hash, self.user_id, self.provider, self.redirect_uri)
        return {"table": "authorization_request", "row": row, "column": "verifier"}


class RequestState(Struct, frozen=True):
    """A request as it is now. `has_code` says that its claim has, or had, the code that was asked about, and
    `lease_over` that the claim's holder counts as dead."""

    status: str
    has_code: bool | None
    error: str | None
    connection_id: str | None
    expired: bool
    lease_over: bool | None


class ClaimedRequest(Struct, frozen=True):
    """What a claim returns. `verifier` is sealed; `version` is that of the user's connection to the provider's site,
    0 if there is none, and `account` that connection's last known account, if it was asked for."""

    scopes: list[str]
    verifier: bytes | None
    claimed_at: datetime
    version: int
    account: str | None = None


_read_scopes: Final = json.Decoder(list[str]).decode
_BOUND_COLUMNS: Final = StateBinding.__struct_fields__
_BOUND: Final = " AND ".join(f"{name} = :{name}" for name in _BOUND_COLUMNS)
_ADD: Final = Statement(
    """
    INSERT INTO authorization_request (state_hash, user_id, provider, redirect_uri, registration, site, scopes,
        verifier, status, created_at, expires_at)
    VALUES (:state_hash, :user_id, :provider, :redirect_uri, :registration, :site, :scopes, :verifier, {pending},
        now(), after(:lifetime))
    RETURNING state_hash""",
    RECORDED,
    NAMED,
    **STATUSES,
)
_CLAIM: Final = Statement(
    """
    UPDATE authorization_request
    SET status = {exchanging}, code_hash = :code_hash, owner = :owner, lease_until = after(:lease), purge_after = NULL
    WHERE {bound} AND status = {pending} AND expires_at > now()
    RETURNING scopes, verifier, now() AS claimed_at""",
    adding="""(SELECT version FROM connection AS c WHERE {own}) AS version,
        CASE WHEN CAST(:with_account AS boolean) THEN
            (SELECT coalesce(account, former_account) FROM connection AS c WHERE {own}) END AS account""",
    own="c.user_id = :user_id AND c.provider = :provider AND c.site = :site",
    bound=_BOUND,
    **STATUSES,
)
_RELEASE: Final = Statement(
    """
    UPDATE authorization_request SET status = {pending}, code_hash = NULL, owner = NULL, lease_until = NULL
    WHERE {held} RETURNING status""",
    held=HELD,
    **STATUSES,
)
_FAIL: Final = Statement(
    """
    UPDATE authorization_request SET status = {failed}, error = :outcome, verifier = NULL, lease_until = NULL
    WHERE {held} RETURNING status""",
    RECORDED,
    held=HELD,
    **STATUSES,
)
_FIND: Final = Statement(
    """
    SELECT status, code_hash = :code_hash AS has_code, error, connection_id, expires_at <= now() AS expired,
        lease_until <= now() AS lease_over
    FROM authorization_request WHERE {bound}
    UNION ALL
    SELECT CASE WHEN error IS NULL THEN {completed} ELSE {failed} END, code_hash = :ended_code, error, connection_id,
        false, NULL
    FROM ended_request WHERE user_id = :user_id AND state_hash = :ended_state""",
    bound=_BOUND,
    **STATUSES,
)
# The only one that doesn't know the user: only the log shows what it finds.
_BINDING: Final = Statement(
    "SELECT {columns} FROM authorization_request WHERE state_hash = :state_hash", columns=", ".join(_BOUND_COLUMNS)
)
_ABANDON: Final = Statement(
    """
    UPDATE authorization_request
    SET status = {failed}, error = :outcome, verifier = NULL, lease_until = NULL, purge_after = NULL
    WHERE {of_state} AND status = {exchanging} AND lease_until <= now()
    RETURNING provider""",
    RECORDED_WITH_PROVIDER,
    of_state=OF_STATE,
    **STATUSES,
)


async def add_request(database: Database, binding: StateBinding, verifier: bytes, entry: AuditEntry) -> None:
    """Store a request for the scopes of `entry`, and record it."""
    values = {**asdict(entry), **asdict(binding), "verifier": verifier, "lifetime": _LIFETIME_SECONDS}
    await _ADD.run(database, values)


async def claim_request(
    database: Database,
    binding: StateBinding,
    *,
    code_hash: str,
    owner: str,
    lease: float,
    with_account: bool = False,
) -> ClaimedRequest | None:
    """Claim a pending request for `lease` seconds. None if there is none, or somebody else has claimed it."""
    values = {"code_hash": code_hash, "owner": owner, "lease": lease, "with_account": with_account, **asdict(binding)}
    rows = await _CLAIM.run(database, values)
    if not rows:
        return None
    scopes, verifier, claimed_at, version, account = rows[0]
    return ClaimedRequest(_read_scopes(scopes), verifier, claimed_at, version or 0, account)


async def release_claim(database: Database, binding: StateBinding, owner: str) -> bool:
    """Make the request pending again. Returns whether the claim was still the owner's."""
    return await _RELEASE.row(database, owner=owner, **asdict(binding)) is not None


async def fail_claim(database: Database, binding: StateBinding, owner: str, entry: AuditEntry) -> bool:
    """End the request with the outcome of `entry` as its error, and record it. Returns whether the claim was still the
    owner's."""
    return await _FAIL.row(database, owner=owner, **{**asdict(entry), **asdict(binding)}) is not None


async def find_request(database: Database, binding: StateBinding, code_hash: str) -> RequestState | None:
    """The request, in whichever table it is. One that has ended long ago is also found if only its state and user are
    those of `binding`; then `has_code` is false."""
    ended = binding.ended(code_hash)
    row = await _FIND.row(database, code_hash=code_hash, **ended, **asdict(binding))
    return RequestState(*row) if row else None


async def differing_column(database: Database, binding: StateBinding) -> str | None:
    """The first column in which a request that is not moved yet differs from `binding`, None if none has the state."""
    stored = await _BINDING.row(database, state_hash=binding.state_hash)
    wanted = asdict(binding)
    pairs = zip(_BOUND_COLUMNS, stored or (), strict=False)
    return next((name for name, value in pairs if wanted[name] != value), None)


async def abandon_request(database: Database, key: str, user: str, entry: AuditEntry) -> str | None:
    """End a request of `user` whose claim's lease is over, with the outcome of `entry` as its error.

    Of several processes that do this at once, one gets the provider, and the others None.
    """
    row = await _ABANDON.row(database, state_hash=key, user_id=user, **asdict(entry))
    return row[0] if row else None
