"""Connecting, refreshing, disconnecting and delivering in any order: no grant in use is ever revoked, and in the end
all others are."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.connection import StoredConnection, Tokens
from models.token_refresh import take
from models.token_row import TokenRow, find_tokens
from resolvers.ending.delivery import _wait
from resolvers.ending.sending import Later
from resolvers.ending.unused_tokens import add_late, surrender
from resolvers.errors import ServiceUnavailable
from tests.resolvers.ending.endings import QUIET, WEEK, connect, deliver_due, disconnect, revocations
from tests.resolvers.world import World

USERS = ("alice", "bob")
ACCOUNTS = ("sam", "kim")
REFUSED = "401 Unauthorized"
DOWN = "503 Service Unavailable"


@dataclass
class Grants:
    """What the provider knows: the account of each grant, which have ended, and the grant of each token."""

    world: World
    is_wide: bool
    accounts: list[str] = field(default_factory=list[str])
    ended: set[int] = field(default_factory=set[int])
    of_token: dict[str, int] = field(default_factory=dict[str, int])
    _seen: int = 0
    _issued: int = 0

    def add(self, account: str) -> int:
        self.accounts.append(account)
        return len(self.accounts) - 1

    def read(self) -> None:
        """What was asked since the last time. Each request for tokens was answered."""
        asked = self.world.provider.server.asked
        for one in asked[self._seen :]:
            if one.line.split(" ")[1] == "/token":
                tokens = self.world.provider.issued[self._issued]
                self._issued += 1
                used = one.form.get("refresh_token")
                grant = self.of_token[used[0]] if used else self.add(tokens["user"])
                self._name(grant, tokens["access_token"], tokens["refresh_token"])
            else:
                self._revoke(self.of_token[one.form["token"][0]])
        self._seen = len(asked)

    def _name(self, grant: int, *tokens: str) -> None:
        self.of_token |= dict.fromkeys(tokens, grant)

    def late(self, grant: int, tokens: Tokens) -> None:
        assert tokens.refresh_token is not None
        self._name(grant, tokens.access_token, tokens.refresh_token)

    def _revoke(self, grant: int) -> None:
        self.ended.add(grant)
        if self.is_wide:
            self.ended |= {one for one, account in enumerate(self.accounts) if account == self.accounts[grant]}


class Life:
    """Takes random steps, and looks at the provider after each."""

    def __init__(self, world: World, slug: str, chance: random.Random) -> None:
        self.grants = Grants(world, slug == "ends-grant")
        self.connected: dict[str, StoredConnection] = {}
        self.refreshing: list[tuple[TokenRow, int]] = []
        self.steps: list[str] = []
        self._world = world
        self._slug = slug
        self._chance = chance
        self._late = 0

    async def step(self) -> None:
        steps = [self.connect, self.disconnect, self.refresh, self.come_late, self.surrender, self.deliver]
        step = self._chance.choice(steps)
        self.steps.append(step.__name__)
        await step()
        self.grants.read()
        for user in self.connected:
            assert await self._grant_of(user) not in self.grants.ended, (user, self.steps)

    async def _grant_of(self, user: str) -> int:
        _, token = await self._world.stored_tokens(user, self._slug)
        return self.grants.of_token[token or ""]

    async def connect(self) -> None:
        user, account = self._chance.choice(USERS), self._chance.choice(ACCOUNTS)
        # It is refused while what a delivery has sent may still be handled.
        with suppress(ServiceUnavailable):
            self.connected[user] = await connect(self._world, user, self._slug, account)

    async def disconnect(self) -> None:
        if self.connected:
            user = self._chance.choice(list(self.connected))
            await disconnect(self._world, user, self.connected.pop(user))

    async def refresh(self) -> None:
        """Begins, and its answer comes when the connection has ended."""
        for connection in self.connected.values():
            row = await find_tokens(self._world.database, connection.id)
            if row is not None and await take(self._world.database, row, "refresher", lease=30, quiet=60):
                grant = self.grants.of_token[row.open(self._world.resources.vault, "refresh_token")]
                self.refreshing.append((row, grant))

    async def come_late(self) -> None:
        for row, grant in list(self.refreshing):
            now = await find_tokens(self._world.database, row.id)
            if now is None or now.version == row.version:
                continue
            self.refreshing.remove((row, grant))
            ended = now.status == "disconnected"
            if ended or (now.consent != row.consent and not self.grants.is_wide):
                await add_late(self._world.context(None), row, self._new_tokens(grant))

    async def surrender(self) -> None:
        user, account = self._chance.choice(USERS), self._chance.choice(ACCOUNTS)
        tokens = self._new_tokens(self.grants.add(account))
        await surrender(self._world.context(user), user, self._slug, tokens, account=account)

    async def deliver(self) -> None:
        self._world.provider.revoke_statuses = [self._chance.choice([DOWN, "200 OK"])]
        await self._world.turn_back(self._chance.choice([1, 30, 300, 3600]))
        await deliver_due(self._world)

    def _new_tokens(self, grant: int) -> Tokens:
        self._late += 1
        tokens = Tokens(f"late-access-{self._late}", f"late-refresh-{self._late}")
        self.grants.late(grant, tokens)
        return tokens


@pytest.mark.parametrize("slug", ["ends-token", "ends-grant"])
@pytest.mark.parametrize("seed", [0, 1, 2, 16])
async def test_no_grant_in_use_is_revoked_and_all_others_are(any_world: World, slug: str, seed: int) -> None:
    life = Life(any_world, slug, random.Random(f"{slug} {seed}"))
    for _ in range(40):
        await life.step()
    while life.connected:
        await life.disconnect()
    await life.come_late()
    any_world.provider.revoke_statuses = []
    for _ in range(30):
        await any_world.turn_back(QUIET + 3600)
        await deliver_due(any_world)
    life.grants.read()
    assert {status for status, _ in await revocations(any_world)} <= {"delivered", "not_needed"}
    assert await any_world.outside.value("SELECT count(*) FROM revocation WHERE material IS NOT NULL") == 0
    assert life.grants.ended == set(range(len(life.grants.accounts))), life.steps


@given(
    st.floats(0, WEEK - 1),
    st.floats(0, 3 * WEEK),
    st.booleans(),
)
def test_the_pause_between_two_tries(age: float, asked: float, unknown: bool) -> None:
    """Never shorter than the provider asks for, never beyond the week otherwise, and never less than a moment."""
    wait = _wait(age, Later("", wait=asked, unknown=unknown), QUIET)
    assert wait >= asked
    assert wait >= (QUIET if unknown else 0)
    assert wait <= max(asked, QUIET if unknown else 0, min(7.5 * 3600, WEEK - age))
    assert wait > 0
