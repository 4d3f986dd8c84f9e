"""Connections and requests whose values are sealed with given keys, and a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from models.database import Database
from models.vault import Vault
from tests.models.rows import run

_INSERT: Final = """INSERT INTO connection (id, user_id, provider, status, requested_scopes, granted_scopes, created_at,
    updated_at) VALUES """
_ADD_REQUEST: Final = """
    INSERT INTO authorization_request (state_hash, user_id, provider, redirect_uri, registration, scopes, verifier,
        status, created_at, expires_at)
    VALUES (:key, 'alice', 'oura', 'r', 'c', '[]', :sealed, 'pending', now(), after(:seconds))"""


class Clock:
    """Moves on by `step` each time that it is read."""

    def __init__(self, step: float = 0) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def vault(*ids: str, seed: int = 0) -> Vault:
    """Another seed gives other keys with the same ids."""
    return Vault({key_id: bytes((seed,)) * 16 + key_id.encode().ljust(16) for key_id in ids})


def sealed(key_id: str) -> bytes:
    return vault(key_id).seal("secret", table="t", row=("r",), column="c")


def identity(number: int) -> str:
    return f"{number:08x}-0000-7000-8000-000000000000"


async def add_connections(database: Database, numbers: Iterable[int]) -> None:
    """The higher the number the newer. They have no tokens."""
    rows = [f"('{identity(n)}', 'user-{n}', 'oura', 'connected', '[]', '[]', now(), now())" for n in numbers]
    await run(database, _INSERT + ", ".join(rows))


async def seal_token(database: Database, number: int, key_id: str, column: str = "access_token") -> None:
    text = f"UPDATE connection SET {column} = :sealed WHERE id = :id"
    await run(database, text, sealed=sealed(key_id), id=identity(number))


async def add_request(database: Database, key_id: str, *, expires_in: float) -> None:
    """A request with a verifier, which expires in so many seconds."""
    await run(database, _ADD_REQUEST, key=f"state {expires_in}", sealed=sealed(key_id), seconds=expires_in)
