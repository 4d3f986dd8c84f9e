"""Reading what there is in the end: the provider's log and tokens, the rows, and what the sealed tokens open to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from models.connection import token_field
from models.vault import VaultError
from tests.torture.history import History
from tests.torture.record import Exchange, Record, StoredConnection, StoredRequest, Token
from tests.torture.world import LEASE, PROVIDER_TIMEOUT, World


async def read(world: World, history: History, settled: float) -> Record:
    """Only what belongs to this history's users: the database may hold earlier ones."""
    users = {flow.user for flow in history.flows.values()}
    connections = [row for row in await world.database.rows("connection") if row["user_id"] in users]
    requests = [row for row in await world.database.rows("authorization_request") if row["user_id"] in users]
    return Record(
        history=history,
        exchanges=await _exchanges(world, history),
        tokens={row["value"]: _token(row) for row in await world.sandbox.tokens()},
        connections=[await _connection(world, row) for row in connections],
        requests=[StoredRequest(row["state_hash"], row["user_id"], row["status"]) for row in requests],
        lease=LEASE,
        provider_timeout=PROVIDER_TIMEOUT,
        settled=settled,
    )


async def read_so_far(world: World, history: History) -> Record:
    """The same in the middle of a run, without what is stored."""
    exchanges = await _exchanges(world, history)
    return Record(history, exchanges, {}, [], [], LEASE, PROVIDER_TIMEOUT, history.now())


async def _exchanges(world: World, history: History) -> list[Exchange]:
    return [_exchange(call, history.start) for call in await world.calls()]


def _exchange(call: dict[str, Any], start: float) -> Exchange:
    return Exchange(call["code"] or "", call["time"] - start, call["outcome"], call["fault"])


def _token(row: dict[str, Any]) -> Token:
    return Token(row["value"], row["kind"], row["account"], row["state"])


async def _connection(world: World, row: dict[str, Any]) -> StoredConnection:
    unreadable, opened = None, dict[str, str | None]()
    for column in ("access_token", "refresh_token"):
        try:
            opened[column] = _open(world, row, column)
        except VaultError as fault:
            unreadable = f"{column}: {fault}"
    access = opened.get("access_token")
    return StoredConnection(
        id=str(UUID(str(row["id"]))),
        user=row["user_id"],
        provider=row["provider"],
        status=row["status"],
        created_at=_moment(row["created_at"]),
        access=access,
        refresh=opened.get("refresh_token"),
        accepted=access is not None and await world.sandbox.accepts(access),
        unreadable=unreadable,
    )


def _open(world: World, row: dict[str, Any], column: str) -> str | None:
    if row[column] is None:
        return None
    return world.vault.open(row[column], **token_field(row["user_id"], row["provider"], row["version"], column))


def _moment(value: Any) -> str:
    """As the interfaces print it."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
