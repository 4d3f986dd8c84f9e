"""Sealed values in all tables that have them, written beside Tendon, and what they contain when they are opened."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from msgspec.structs import asdict

from models.authorization_request import StateBinding
from models.connection import Tokens, seal_tokens
from models.database import Database
from models.revocation import material_field
from models.sealed_tables import SEALED_TABLES, SealedTable, read_key_ids, read_rows
from models.statement import Statement
from models.vault import Vault

_ALL: Final = 1_000_000
_CONNECTION: Final = Statement(
    """
    INSERT INTO connection (id, user_id, provider, status, requested_scopes, granted_scopes, access_token,
        refresh_token, version, created_at, updated_at)
    VALUES (:id, :user_id, 'oura', 'connected', '[]', '[]', :access_token, :refresh_token, :version, now(), now())"""
)
_REQUEST: Final = Statement(
    """
    INSERT INTO authorization_request (state_hash, user_id, provider, redirect_uri, registration, scopes, verifier,
        status, created_at, expires_at)
    VALUES (:state_hash, :user_id, :provider, :redirect_uri, :registration, '[]', :verifier, 'pending', now(),
        after(:lifetime))"""
)
_REVOCATION: Final = Statement(
    """
    INSERT INTO revocation (id, ended_version, provider, subject, material, status, created_at)
    VALUES (:id, 1, 'oura', 'subject', :material, 'pending', now())"""
)


def identity(number: int) -> str:
    return str(UUID(int=number + 1))


async def add_connections(database: Database, vault: Vault, first: int, count: int = 1) -> None:
    """Every tenth has no refresh token, and each another version."""
    async with database.exclusively(1) as transaction:
        for number in range(first, first + count):
            user, version = f"user-{number}", 1 + number % 3
            tokens = Tokens(f"access-{number}", f"refresh-{number}" if number % 10 else None)
            sealed = seal_tokens(vault, user, "oura", version, tokens)
            await _CONNECTION.rows(transaction, id=identity(number), user_id=user, version=version, **sealed)


async def add_request(database: Database, vault: Vault, number: int) -> None:
    binding = StateBinding(f"state-{number}", f"user-{number}", "oura", "https://app.example/cb", "client")
    verifier = vault.seal(f"verifier-{number}", **binding.verifier_field)
    await _REQUEST.rows(database, verifier=verifier, lifetime=600, **asdict(binding))


async def add_revocation(database: Database, vault: Vault, number: int) -> None:
    id_ = identity(number)
    await _REVOCATION.rows(database, id=id_, material=vault.seal(f"material-{number}", **material_field(id_, "oura")))


async def opened(database: Database, vault: Vault) -> dict[tuple[Any, ...], str]:
    """All sealed values, by table, primary key and column."""
    return {one: text for table in SEALED_TABLES for one, text in (await _opened(database, vault, table)).items()}


async def _opened(database: Database, vault: Vault, table: SealedTable) -> dict[tuple[Any, ...], str]:
    heads = await read_key_ids(database, table, table.before_first, _ALL)
    rows = await read_rows(database, table, table.before_first, heads[-1][0], _ALL) if heads else []
    return {
        (table.name, *map(str, row.key), column): vault.open(sealed, **table.field_of(row.values, column))
        for row in rows
        for column in table.columns
        if (sealed := row.values[column]) is not None
    }
