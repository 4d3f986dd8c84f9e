"""The records of vault keys: a process with wrong keys seals nothing, and does not disturb the others."""

from __future__ import annotations

import asyncio

import pytest

from models.database import Database
from models.vault_key import UnusableKeys, VaultKeys
from tests.models.rows import now, run, value
from tests.models.sealed_rows import Clock, add_connections, add_request, seal_token, vault

LOCK = int.from_bytes(b"vault")
RECORDED = "SELECT key_id FROM vault_key ORDER BY key_id"
COUNT = "SELECT count(*) FROM vault_key"


def keys(database: Database, *ids: str, seed: int = 0, clock: Clock | None = None) -> VaultKeys:
    return VaultKeys(vault(*ids, seed=seed), database, clock=clock or Clock())


async def age(database: Database, seconds: float = 1000) -> None:
    """Let the records be so old."""
    await run(database, "UPDATE vault_key SET created_at = after(:seconds)", seconds=-seconds)


async def test_the_active_key_is_recorded_once(database: Database) -> None:
    before = await now(database)
    ours = keys(database, "k2", "k1")
    await asyncio.gather(*(ours.check_active() for _ in range(10)))
    await keys(database, "k2").check_active()
    ((key_id, check, created),) = await run(database, 'SELECT key_id, "check", created_at FROM vault_key')
    assert (key_id, ours.vault.active) == ("k2", "k2")
    assert vault("k2").open(check, table="vault_key", row=("k2",), column="check") == "tendon"
    assert before <= created <= await now(database)
    assert await ours.unusable() == []


async def test_the_record_is_relied_on_for_a_minute(database: Database) -> None:
    clock = Clock()
    ours = keys(database, "k1", clock=clock)
    await ours.check_active()
    await run(database, "DELETE FROM vault_key")
    clock.now = 59.5
    await ours.check_active()
    assert await value(database, COUNT) == 0
    clock.now = 60.5
    await ours.check_active()
    assert await value(database, COUNT) == 1
    await run(database, "DELETE FROM vault_key")
    clock.now = 120
    await ours.check_active()
    assert await value(database, COUNT) == 0


async def test_a_record_that_is_there_already_is_not_written_again(database: Database) -> None:
    await keys(database, "k1").check_active()
    await age(database)
    before = await run(database, 'SELECT "check", created_at FROM vault_key')
    await keys(database, "k1").check_active()
    assert await run(database, 'SELECT "check", created_at FROM vault_key') == before


@pytest.mark.parametrize("wrong", [("k1", 1), ("k2", 0)], ids=["same id", "other id"])
async def test_a_process_with_wrong_keys_refuses_to_seal(database: Database, wrong: tuple[str, int]) -> None:
    await keys(database, "k1").check_active()
    before = await run(database, "SELECT * FROM vault_key")
    key_id, seed = wrong
    astray = keys(database, key_id, seed=seed)
    assert await astray.unusable() == ["k1"]
    # It stays so, however often it is tried.
    for _ in range(2):
        with pytest.raises(UnusableKeys, match=r"^nothing can be encrypted while these keys are .* \(k1\): put"):
            await astray.check_active()
    assert await run(database, "SELECT * FROM vault_key") == before
    assert await keys(database, "k1").unusable() == []


async def test_of_two_that_begin_at_once_with_different_keys_under_one_id_the_second_refuses(
    database: Database,
) -> None:
    """Neither finds a record, and each waits to write its own."""
    both = [keys(database, "k1", seed=seed) for seed in (0, 1)]
    async with database.exclusively(LOCK) as transaction:
        tasks = [asyncio.create_task(one.check_active()) for one in both]
        if database.dialect == "postgres":
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            async with asyncio.timeout(60):
                while await value(transaction, waiting) < 2:  # noqa: ASYNC110 - the server has no event for it
                    await asyncio.sleep(0.005)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in outcomes if one is not None] == [UnusableKeys]
    loser = both[0 if outcomes[0] else 1]
    winner = both[1 if outcomes[0] else 0]
    assert await run(database, RECORDED) == [("k1",)]
    assert (await winner.unusable(), await loser.unusable()) == ([], ["k1"])
    with pytest.raises(UnusableKeys):
        await loser.check_active()


async def test_of_two_that_begin_at_once_with_the_same_key_both_may_seal(database: Database) -> None:
    both = [keys(database, "k1") for _ in range(2)]
    async with database.exclusively(LOCK):
        tasks = [asyncio.create_task(one.check_active()) for one in both]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert await run(database, RECORDED) == [("k1",)]


async def test_a_key_that_is_missing_matters_only_while_values_are_sealed_with_it(database: Database) -> None:
    await keys(database, "k1").check_active()
    await age(database)
    assert await keys(database, "k2").unusable() == []
    await add_connections(database, [1])
    await seal_token(database, 1, "k1")
    assert await keys(database, "k2").unusable() == ["k1"]
    assert await keys(database, "k2", "k1").unusable() == []
    assert await keys(database, "k2", "k1", seed=1).unusable() == ["k1"]
    with pytest.raises(UnusableKeys):
        await keys(database, "k2").check_active()
    assert await run(database, RECORDED) == [("k1",)]
    await keys(database, "k2", "k1").check_active()
    assert await run(database, RECORDED) == [("k1",), ("k2",)]


@pytest.mark.parametrize(("seconds", "recent"), [(110, True), (120.5, False)])
async def test_a_new_record_counts_before_anything_is_sealed(
    database: Database, seconds: float, *, recent: bool
) -> None:
    """The first value is written only later."""
    await keys(database, "k1").check_active()
    await age(database, seconds)
    assert await keys(database, "k2").unusable() == (["k1"] if recent else [])


async def test_a_record_of_a_wrong_key_that_nothing_is_sealed_with_is_replaced(database: Database) -> None:
    await keys(database, "k1", seed=1).check_active()
    await age(database)
    ours = keys(database, "k1")
    await ours.check_active()
    assert await ours.unusable() == []
    assert await run(database, RECORDED) == [("k1",)]
    # It is a new record, and the wrong key has none any more.
    assert await keys(database, "k1", seed=1).unusable() == ["k1"]
    assert await keys(database, "k2").unusable() == ["k1"]


@pytest.mark.parametrize(
    "check",
    [
        b"",
        b"x",
        b"drop ",
        b"drop x",
        b"drop x y",
        b"drop 2020-01-01T00:00:00 y",
        b"drop \xff y",
        b"drop 2020-99-01T00:00:00+00:00 y",
    ],
)
async def test_a_record_that_somebody_edited_is_one_of_another_key(database: Database, check: bytes) -> None:
    await keys(database, "k1").check_active()
    await run(database, 'UPDATE vault_key SET "check" = :check', check=check)
    ours = keys(database, "k1")
    assert await ours.watch() == ["k1"]
    with pytest.raises(UnusableKeys):
        await ours.check_active()
    # Nothing is sealed with the key, so it is recorded anew.
    await age(database)
    await ours.check_active()
    assert await ours.watch() == []


async def test_unusable_keys_are_sorted(database: Database) -> None:
    ids = ["m", "z", "a", "k"]
    for number in range(len(ids)):
        await keys(database, *reversed(ids[: number + 1])).check_active()
    assert await keys(database, "k").unusable() == ["a", "m", "z"]


async def test_a_record_of_another_text_is_no_record_of_the_key(database: Database) -> None:
    ours = keys(database, "k1")
    await ours.check_active()
    check = ours.vault.seal("another", table="vault_key", row=("k1",), column="check")
    await run(database, 'UPDATE vault_key SET "check" = :check', check=check)
    assert await keys(database, "k1").unusable() == ["k1"]


async def test_the_result_of_a_search_is_kept_for_a_while(database: Database) -> None:
    """One for each key."""
    await keys(database, "k1").check_active()
    await keys(database, "k2", "k1").check_active()
    await age(database)
    await add_request(database, "k1", expires_in=60)
    clock = Clock()
    ours = keys(database, "k3", clock=clock)
    assert await ours.unusable() == ["k1"]
    await run(database, "DELETE FROM authorization_request")
    await add_request(database, "k2", expires_in=60)
    clock.now = 4.9
    assert await ours.unusable() == ["k1"]
    clock.now = 5.1
    assert await ours.unusable() == ["k2"]
