"""Any valid document and any caller: a plan says what graphql-core's executor says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from resolvers.caller import READ, WRITE
from resolvers.context import Context
from tests.conftest import REDIRECT_URI
from tests.databases import create_migrated_file
from tests.sandbox_control import Sandbox
from tests.schema.plans.both_ways import EXECUTOR, observe_both, runs_by_plan, with_plan
from tests.schema.plans.random_documents import Drawn, documents
from tests.schema.plans.world import LIST, World, connected, open_world

USER = "alice"


@dataclass(frozen=True, repr=False)
class Inhabited:
    """A world where alice has connections. `names` is what the capitals in drawn texts stand for."""

    world: World
    names: dict[str, str]
    tally: Counter[bool]

    def real(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(name, value)
        return text

    def callers(self) -> list[Context]:
        world = self.world
        return [
            world.who(USER),
            world.who(USER, scopes=frozenset({READ})),
            world.who(USER, scopes=frozenset({WRITE})),
            world.who("somebody else"),
            world.who(None),
            world.nobody(),
            world.hasty(USER),
            world.broken(USER),
            world.half_broken(USER),
        ]


@pytest.fixture(scope="module")
async def inhabited(
    tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox, settings: dict[str, str]
) -> AsyncGenerator[Inhabited]:
    file = create_migrated_file(tmp_path_factory.mktemp("inhabited") / "tendon.db")
    async with open_world(f"sqlite://{file}", sandbox, settings) as world:
        await connected(world, USER, "oura")
        callback = await connected(world, USER)
        listed = await EXECUTOR.run(LIST, {"userId": USER}, world.who(USER))
        assert listed.data is not None
        names = {
            "USER": USER,
            "CONNECTION": listed.data["connections"][0]["id"],
            "STATE": callback["state"],
            "CODE": callback["code"],
            "REDIRECT": REDIRECT_URI,
            "ISS": callback["iss"],
        }
        tally: Counter[bool] = Counter()
        yield Inhabited(world, names, tally)
    assert 2 * tally[True] > tally[False], "much of what is drawn should have a plan"


@given(documents(EXECUTOR.graphql), st.integers(0, 8))
@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
async def test_any_document(inhabited: Inhabited, drawn: Drawn, caller: int) -> None:
    text, variables = inhabited.real(drawn.text), json.loads(inhabited.real(json.dumps(drawn.variables)))
    document = with_plan(text)
    limits = ("more than", "one completeConnection")
    assume(not any(word in error.message for error in document.errors for word in limits))
    assert document.errors == []
    inhabited.tally[runs_by_plan(text, variables)] += 1
    if "authorizeConnection" in text:
        # With an address on the allow-list there is a fresh state each time.
        text, variables = (
            text.replace(REDIRECT_URI, "x:y"),
            json.loads(json.dumps(variables).replace(REDIRECT_URI, "x:y")),
        )
    await observe_both(text, variables, inhabited.callers()[caller])
