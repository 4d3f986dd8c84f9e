"""The key of the audit trail's pseudonyms: all processes use one, and a process with wrong vault keys makes none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

import pytest

from models.audit_key import audit_key
from models.database import Database, Session
from models.engine import Row, Script, Values
from models.vault import VaultError
from models.vault_key import UnusableKeys, VaultKeys
from tests.models.rows import now, run
from tests.models.sealed_rows import vault

NUMBERS = "SELECT number FROM audit_key ORDER BY number"


def keys(database: Database, *ids: str, seed: int = 0) -> VaultKeys:
    return VaultKeys(vault(*ids, seed=seed), database)


async def forget_vault_keys(database: Database) -> None:
    """As when their records are old, and nothing is sealed with them."""
    await run(database, "DELETE FROM vault_key")


async def test_a_key_is_made_once_and_stays(database: Database) -> None:
    before = await now(database)
    made = await asyncio.gather(*(audit_key(database, keys(database, "k1")) for _ in range(10)))
    assert {len(key) for key in made} == {32}
    assert set(made) == {await audit_key(database, keys(database, "k2", "k1"))}
    ((number, sealed, created),) = await run(database, "SELECT number, sealed, created_at FROM audit_key")
    assert vault("k1").open(sealed, table="audit_key", row=("1",), column="sealed") == made[0].hex()
    assert number == 1
    assert before <= created <= await now(database)


async def test_each_database_has_another_key(database: Database) -> None:
    first = await audit_key(database, keys(database, "k1"))
    await run(database, "DELETE FROM audit_key")
    assert await audit_key(database, keys(database, "k1")) != first


async def test_a_process_with_wrong_keys_makes_none(database: Database) -> None:
    await keys(database, "k1").check_active()
    for wrong in (keys(database, "k1", seed=1), keys(database, "k2")):
        with pytest.raises(UnusableKeys):
            await audit_key(database, wrong)
    assert await run(database, NUMBERS) == []


async def test_a_new_key_is_made_when_no_other_can_be_opened(database: Database) -> None:
    first = await audit_key(database, keys(database, "k1"))
    await forget_vault_keys(database)
    second = await audit_key(database, keys(database, "k2"))
    await forget_vault_keys(database)
    third = await audit_key(database, keys(database, "k3"))
    assert len({first, second, third}) == 3
    assert await run(database, NUMBERS) == [(1,), (2,), (3,)]
    # The newest that can be opened.
    for ids, key in ((("k1",), first), (("k1", "k2"), second), (("k2", "k1"), second), (("k1", "k2", "k3"), third)):
        assert await audit_key(database, keys(database, *ids)) == key
    assert await run(database, NUMBERS) == [(1,), (2,), (3,)]


class Overtaken(Database):
    """The database of a process that another one overtakes each time before it stores a key."""

    def __init__(self, database: Database, overtake: Callable[[], Awaitable[None]]) -> None:
        self.dialect = database.dialect  # pyright: ignore[reportAttributeAccessIssue]
        self._database = database
        self._overtake = overtake

    async def run(self, script: Script, values: Values) -> Sequence[Row]:
        if script.steps[0].text.startswith("INSERT INTO audit_key"):
            await self._overtake()
        return await self._database.run(script, values)

    async def check_writable(self) -> None:
        raise NotImplementedError

    def exclusively(
        self, lock: int, on_wait: Callable[[], object] | None = None
    ) -> AbstractAsyncContextManager[Session]:
        return self._database.exclusively(lock, on_wait)

    async def close(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("opens", [True, False])
async def test_the_first_key_that_is_stored_counts(database: Database, *, opens: bool) -> None:
    """The second process uses it as well, if it can open it."""
    made: list[bytes] = []

    async def overtake() -> None:
        await forget_vault_keys(database)
        made.append(await audit_key(database, keys(database, "k1")))

    ours = keys(database, *(["k2", "k1"] if opens else ["k2"]))
    if opens:
        assert await audit_key(Overtaken(database, overtake), ours) == made[0]
    else:
        with pytest.raises(VaultError, match=r"^the audit trail's key was made by a process with other vault keys$"):
            await audit_key(Overtaken(database, overtake), ours)
    assert await run(database, NUMBERS) == [(1,)]
