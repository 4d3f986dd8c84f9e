"""Connections whose tokens are refreshed, as the tests of those statements make and change them."""

from __future__ import annotations

from typing import Any

from models.authorization_request import StateBinding
from models.database import Database
from models.token_row import TokenRow, find_tokens
from tests.models.flows import connect
from tests.models.rows import run


async def connected(database: Database, of: StateBinding | None = None, **others: Any) -> TokenRow:
    id_ = await connect(database, of, **others)
    row = await find_tokens(database, id_)
    assert row is not None
    return row


async def row_of(database: Database, row: TokenRow) -> TokenRow:
    """As it is now."""
    found = await find_tokens(database, row.id)
    assert found is not None
    return found


async def update(database: Database, changes: str, **values: Any) -> None:
    """Of the only connection."""
    assert len(await run(database, f"UPDATE connection SET {changes} RETURNING id", **values)) == 1


async def expect(database: Database, columns: str, values: tuple[Any, ...]) -> None:
    """The only connection has these."""
    assert await run(database, f"SELECT {columns} FROM connection") == [values]
