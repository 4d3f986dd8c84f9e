"""Grants whose account must be known first: asked for again by the worker, and stored unless somebody else has it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from models.connection import StoredConnection, find_of_user
from models.token_row import find_tokens
from models.vault import Vault
from models.vault_key import VaultKeys
from resolvers.callback.claims import Callback
from resolvers.caller import READ_TOKENS, Caller
from resolvers.context import Context
from resolvers.ending.delivery import deliver, due
from resolvers.ending.disconnect import disconnect_connection
from resolvers.ending.shown import latest_revocation
from resolvers.erasure import erase
from resolvers.errors import ReauthorizationRequired, ServiceUnavailable
from resolvers.resealing import reseal
from resolvers.tokens.current import refreshed
from resolvers.tokens.issue import issue_access_token
from tests.resolvers.ending.endings import materials, revocations
from tests.resolvers.failing_database import STORE
from tests.resolvers.world import World

SLUGS = ("account", "pending-token", "pending-grant")
SHOWN = ("pending", "account_unknown")
DAY = 24 * 3600.0


class Rejecting:
    """A world whose accounts belong to one user each."""

    def __init__(self, world: World) -> None:
        self.world = world

    def context(self, user: str | None) -> Context:
        return self.world.context(user, account_policy="reject")

    async def begin(self, user: str, slug: str) -> Callback:
        return await self.world.begin(user, slug)

    async def connect(self, user: str, slug: str, account: str | None) -> StoredConnection:
        """With None, the provider doesn't say whose account it is."""
        self.answer(account)
        return await self.world.complete(user, await self.begin(user, slug), self.context(user))

    def answer(self, account: str | None) -> None:
        provider = self.world.provider
        provider.account = account
        provider.account_status = "200 OK" if account else "500 Oops"

    async def work(self, seconds: float = 20) -> None:
        """As a worker does, after so many seconds."""
        await self.world.turn_back(seconds)
        context = self.context(None)
        for work in await due(context, 100):
            await deliver(context, work.id)

    async def shown(self, user: str) -> StoredConnection:
        (connection,) = await find_of_user(self.world.database, user)
        return connection

    async def status(self, user: str) -> tuple[str, str | None]:
        shown = await self.shown(user)
        return shown.status, shown.status_reason

    async def token(self, connection: StoredConnection) -> str:
        service = Context(self.world.resources, Caller(None, "app", frozenset({READ_TOKENS})), "r")
        return (await issue_access_token(service, connection.id)).access_token


@pytest.fixture
async def rejecting(world: World) -> AsyncGenerator[Rejecting]:
    yield Rejecting(world)
    await world.drained()


async def test_a_connection_is_pending_until_the_account_is_known(rejecting: Rejecting) -> None:
    world = rejecting.world
    rejecting.answer(None)
    callback = await rejecting.begin("alice", "pending-grant")
    first = await world.complete("alice", callback, rejecting.context("alice"))
    assert (first.status, first.status_reason, first.account) == (*SHOWN, None)
    again = await world.complete("alice", callback, rejecting.context("alice"))
    assert (again.id, again.status) == (first.id, "pending")
    with pytest.raises(ServiceUnavailable):
        await rejecting.token(first)
    await rejecting.work()
    assert await rejecting.status("alice") == SHOWN
    rejecting.answer("a")
    await rejecting.work()
    shown = await rejecting.shown("alice")
    assert (shown.id, shown.status, shown.status_reason, shown.account) == (first.id, "connected", None, "a")
    assert shown.granted_scopes == shown.requested_scopes == ["sleep", "offline"]
    assert shown.granted_at == first.granted_at
    assert shown.expires_at is not None
    assert await world.stored_tokens("alice", "pending-grant") == world.provider.last
    assert await rejecting.token(shown) == world.provider.last[0]
    assert await world.outside.fetch("SELECT account, user_id FROM account_owner") == [("a", "alice")]
    assert await revocations(world) == []
    completed = [
        one[1:]
        for one in await world.events("action, actor IS NULL, connection_id, outcome, scopes")
        if one[0] == "complete" and one[3] == "ok"
    ]
    scopes = '["sleep", "offline"]'
    assert [(bool(one[0]), str(one[1]), *one[2:]) for one in completed] == [
        (False, first.id, "ok", scopes),
        (True, first.id, "ok", scopes),
    ]


async def test_the_account_is_asked_for_less_and_less_often(rejecting: Rejecting) -> None:
    world = rejecting.world
    await rejecting.connect("alice", "account", None)
    await rejecting.work(0)
    assert len(world.provider.asked("/me")) == 1
    for _ in range(2):
        await rejecting.work(1000)
        # It is not due again yet.
        await rejecting.work(300)
    assert len(world.provider.asked("/me")) == 3
    assert len(world.said("account.unknown")) == 3


@pytest.mark.parametrize("slug", SLUGS)
async def test_a_renewed_connection_goes_on_with_its_tokens(rejecting: Rejecting, slug: str) -> None:
    world = rejecting.world
    before = await rejecting.connect("alice", slug, "a")
    tokens = world.provider.last
    renewed = await rejecting.connect("alice", slug, None)
    assert (renewed.id, renewed.status, renewed.status_reason, renewed.account) == (before.id, *SHOWN, "a")
    assert await rejecting.token(renewed) == tokens[0]
    assert await world.stored_tokens("alice", slug) == tokens
    rejecting.answer("a")
    await rejecting.work()
    assert await rejecting.status("alice") == ("connected", None)
    assert await world.stored_tokens("alice", slug) == world.provider.last != tokens
    # Those of before are revoked where nothing else ends with them.
    left = [material and material.access_token for material in await materials(world)]
    assert left == ([tokens[0]] if slug == "pending-token" else [])


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("before", ["nothing", "connected", "disconnected"])
async def test_an_account_that_turns_out_to_be_taken(rejecting: Rejecting, slug: str, before: str) -> None:
    """The connection is what it was before, and the tokens are revoked only where that ends nothing else."""
    world = rejecting.world
    await rejecting.connect("alice", slug, "a")
    expected: tuple[str, str | None] = ("error", "reauthorization_required")
    if before == "connected":
        await rejecting.connect("bob", slug, "b")
        expected = ("connected", None)
    if before == "disconnected":
        connection = await rejecting.connect("bob", slug, "b")
        await disconnect_connection(rejecting.context("bob"), connection.id, "bob")
        expected = ("disconnected", "by_user")
        await rejecting.work()
    kept = await world.stored_tokens("bob", slug) if before != "nothing" else None
    asked = len(world.provider.asked("/revoke"))
    pending = await rejecting.connect("bob", slug, None)
    assert (pending.status, pending.status_reason) == SHOWN
    new = world.provider.last
    rejecting.answer("a")
    await rejecting.work()
    assert await rejecting.status("bob") == expected
    if kept is not None:
        assert await world.stored_tokens("bob", slug) == kept
    assert (await world.events())[-1] == ("complete", "ACCOUNT_TAKEN")
    assert len(world.said("account.taken")) == 1
    await rejecting.work()
    ended = {"account": "unsupported", "pending-token": "delivered", "pending-grant": "not_needed"}[slug]
    assert (await revocations(world))[-1][0] == ended
    assert all(material is None for material in await materials(world))
    revoked = [one.form["token"][0] for one in world.provider.asked("/revoke")[asked:]]
    assert revoked == ([new[1]] if slug == "pending-token" else [])
    if before == "nothing":
        with pytest.raises(ReauthorizationRequired):
            await rejecting.token(pending)
    assert await rejecting.status("alice") == ("connected", None)


@pytest.mark.parametrize("slug", ["pending-token", "pending-grant"])
@pytest.mark.parametrize("expires_in", [100, None])
async def test_an_account_that_is_never_known(rejecting: Rejecting, slug: str, expires_in: int | None) -> None:
    """It is asked for until the access token expires, or for a day."""
    world = rejecting.world
    world.provider.tokens = {"expires_in": expires_in}
    await rejecting.connect("alice", slug, None)
    if expires_in is None:
        await rejecting.work(DAY - 100)
        assert await rejecting.status("alice") == SHOWN
    asked = len(world.provider.asked("/me"))
    await rejecting.work(2 * DAY)
    assert len(world.provider.asked("/me")) == asked
    assert await rejecting.status("alice") == ("error", "reauthorization_required")
    assert (await world.events())[-1] == ("complete", "PROVIDER_UNAVAILABLE")
    assert [line["reason"] for line in world.said("grant.dropped")] == ["PROVIDER_UNAVAILABLE"]
    await rejecting.work()
    assert [status for status, _ in await revocations(world)] == [
        "delivered" if slug == "pending-token" else "not_needed"
    ]
    rejecting.answer("a")
    assert (await rejecting.connect("alice", slug, "a")).status == "connected"


@pytest.mark.parametrize("slug", ["account", "pending-token", "pending-grant"])
@pytest.mark.parametrize("renewed", [True, False])
async def test_a_pending_connection_that_is_disconnected(rejecting: Rejecting, slug: str, *, renewed: bool) -> None:
    """All of its tokens are revoked, and an answer that comes late changes nothing."""
    world = rejecting.world
    issued: list[str] = []
    if renewed:
        await rejecting.connect("alice", slug, "a")
        issued.append(world.provider.last[1] or "")
    connection = await rejecting.connect("alice", slug, None)
    issued.append(world.provider.last[1] or "")
    rejecting.answer("a")

    async def disconnect() -> None:
        context = rejecting.context("alice")
        ended = await disconnect_connection(context, connection.id, "alice")
        assert (ended.status, ended.status_reason) == ("disconnected", "by_user")
        shown = await latest_revocation(context, ended)
        assert shown is not None
        assert shown.status == ("unsupported" if slug == "account" and renewed else "pending")

    world.provider.meanwhile["/me"] = disconnect
    await rejecting.work()
    assert await rejecting.status("alice") == ("disconnected", "by_user")
    for _ in range(2):
        await rejecting.work(1000)
    assert {status for status, _ in await revocations(world)} == {"unsupported" if slug == "account" else "delivered"}
    revoked = [one.form["token"][0] for one in world.provider.asked("/revoke")]
    assert sorted(revoked) == ([] if slug == "account" else sorted(issued))
    assert all(material is None for material in await materials(world))


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("known", [True, False])
async def test_a_newer_callback_takes_the_place_of_a_pending_grant(
    rejecting: Rejecting, slug: str, *, known: bool
) -> None:
    world = rejecting.world
    first = await rejecting.connect("alice", slug, None)
    replaced = world.provider.last
    newer = await rejecting.connect("alice", slug, "a" if known else None)
    assert newer.id == first.id
    newest = world.provider.last
    rejecting.answer("a")
    for _ in range(3):
        await rejecting.work(1000)
    assert await rejecting.status("alice") == ("connected", None)
    assert await world.stored_tokens("alice", slug) == newest
    revoked = [one.form["token"][0] for one in world.provider.asked("/revoke")]
    assert revoked == ([replaced[1]] if slug == "pending-token" else [])
    assert all(material is None for material in await materials(world))


async def test_an_earlier_revocation_waits_for_the_account(rejecting: Rejecting) -> None:
    """It could end the pending grant, too."""
    world = rejecting.world
    connection = await rejecting.connect("alice", "pending-grant", "a")
    await disconnect_connection(rejecting.context("alice"), connection.id, "alice")
    await rejecting.connect("alice", "pending-grant", None)
    await rejecting.work(1000)
    assert world.provider.asked("/revoke") == []
    rejecting.answer("a")
    for _ in range(3):
        await rejecting.work(4000)
    assert world.provider.asked("/revoke") == []
    assert [status for status, _ in await revocations(world)] == ["not_needed"]


async def test_two_workers_that_ask_at_once(rejecting: Rejecting) -> None:
    world = rejecting.world
    connection = await rejecting.connect("alice", "account", None)
    rejecting.answer("a")
    await world.turn_back(20)
    (work,) = await due(rejecting.context(None), 100)
    world.provider.meanwhile["/me"] = lambda: deliver(rejecting.context(None), work.id)
    await deliver(rejecting.context(None), work.id)
    assert len(world.provider.asked("/me")) == 2
    row = await find_tokens(world.database, connection.id)
    assert row is not None
    assert (row.status, row.consent, row.pending_grant) == ("connected", 1, None)


async def test_the_grant_of_another_account_is_recorded(rejecting: Rejecting) -> None:
    world = rejecting.world
    await rejecting.connect("alice", "pending-grant", "a")
    replaced = world.provider.last
    await rejecting.connect("alice", "pending-grant", None)
    rejecting.answer("b")
    await rejecting.work()
    assert (await rejecting.shown("alice")).account == "b"
    assert ("account_changed", "ok") in await world.events()
    assert [material and material.access_token for material in await materials(world)] == [replaced[0]]
    assert await world.outside.fetch("SELECT account FROM account_owner") == [("b",)]


async def test_a_user_who_is_forgotten_while_the_account_is_not_known(rejecting: Rejecting) -> None:
    """The tokens are revoked, and nothing else is left."""
    world = rejecting.world
    await rejecting.connect("alice", "pending-token", None)
    receipt = await erase(world.context(None), "alice")
    assert ([one.status for one in receipt.grants], receipt.pending) == (["pending"], 1)
    assert await world.outside.value("SELECT count(*) FROM connection") == 0
    rejecting.answer("a")
    await rejecting.work()
    assert await revocations(world, "status, material") == [("delivered", None)]
    assert len(world.provider.asked("/me")) == 1


async def test_a_pending_grant_whose_key_is_replaced(rejecting: Rejecting) -> None:
    world = rejecting.world
    await rejecting.connect("alice", "account", None)
    vault = Vault({"next": bytes(range(1, 33)), "key": bytes(range(32))})
    keys = VaultKeys(vault, world.database)
    resealed = await reseal(world.database, keys)
    assert not resealed.damaged
    rejecting.answer("a")
    await world.turn_back(20)
    context = world.context(None, account_policy="reject", vault=Vault({"next": bytes(range(1, 33))}))
    for work in await due(context, 100):
        await deliver(context, work.id)
    assert await rejecting.status("alice") == ("connected", None)


@pytest.mark.parametrize("done", [True, False])
async def test_a_database_that_fails_while_the_grant_is_stored(rejecting: Rejecting, *, done: bool) -> None:
    world = rejecting.world
    rejecting.answer(None)
    callback = await rejecting.begin("alice", "pending-token")
    world.database.fail(STORE, in_doubt=True, done=done)
    stored = await world.complete("alice", callback, rejecting.context("alice"))
    assert (stored.status, stored.status_reason) == SHOWN
    assert [status for status, _ in await revocations(world)] == ["pending"]
    rejecting.answer("a")
    await rejecting.work()
    assert await world.stored_tokens("alice", "pending-token") == world.provider.last


@pytest.mark.parametrize("ended", [True, False])
async def test_a_grant_that_comes_late(rejecting: Rejecting, *, ended: bool) -> None:
    """It takes the place of no newer one, and brings back no connection that has ended since its claim."""
    world = rejecting.world
    connection = await rejecting.connect("alice", "pending-token", "a")
    late = await rejecting.begin("alice", "pending-token")

    async def meanwhile() -> None:
        if ended:
            await disconnect_connection(rejecting.context("alice"), connection.id, "alice")
        else:
            world.provider.account_status = "200 OK"
            await rejecting.connect("alice", "pending-token", "a")
            world.provider.account_status = "500 Oops"

    world.provider.meanwhile["/me"] = meanwhile
    rejecting.answer(None)
    kept = await world.complete("alice", late, rejecting.context("alice"))
    assert (kept.status, kept.status_reason) == (("disconnected", "by_user") if ended else ("connected", None))
    assert await world.outside.value("SELECT count(*) FROM connection WHERE pending_grant IS NOT NULL") == 0


async def test_tokens_that_are_refreshed_while_the_grant_is_stored(rejecting: Rejecting) -> None:
    world = rejecting.world
    connection = await rejecting.connect("alice", "pending-token", "a")
    await rejecting.connect("alice", "pending-token", None)
    newest = world.provider.last

    async def refresh() -> None:
        row = await find_tokens(world.database, connection.id)
        assert row is not None
        await refreshed(rejecting.context(None), row)

    world.provider.meanwhile["/me"] = refresh
    rejecting.answer("a")
    await rejecting.work()
    given = world.provider.last
    assert given != newest
    assert await rejecting.status("alice") == ("connected", None)
    assert await world.stored_tokens("alice", "pending-token") == newest
    assert [material and material.access_token for material in await materials(world)] == [given[0]]


async def test_a_lost_connection_that_waits_for_its_account(rejecting: Rejecting) -> None:
    """Its tokens don't work any more, and others may come."""
    connection = await rejecting.connect("alice", "account", "a")
    await rejecting.world.outside.fetch(
        "UPDATE connection SET status = 'error', status_reason = 'reauthorization_required'"
    )
    with pytest.raises(ReauthorizationRequired):
        await rejecting.token(connection)
    await rejecting.connect("alice", "account", None)
    with pytest.raises(ServiceUnavailable):
        await rejecting.token(connection)
