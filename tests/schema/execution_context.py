"""The executor with nothing but a database behind it: a resolver finds no provider, and a caller without scopes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from models.database import Database
from models.vault import Vault, new_key, read_keys
from resolvers.caller import Caller
from resolvers.context import Context, Resources
from schema.execution import Executor, Outcome

VAULT = Vault(read_keys(new_key("test")))
CLOSED, OPEN = Executor(explore=False), Executor(explore=True)


POWERLESS = Caller("alice", "app", frozenset())

nothing: Any = None
resources: Resources = nothing
"""Those of the module's tests, while the fixture `database` is open."""


def open_resources(database: Database) -> Resources:
    return Resources(
        catalogue={},
        registrations={},
        redirects=nothing,
        database=database,
        vault=VAULT,
        client=nothing,
        provider_timeout=1,
        background=nothing,
    )


def context(caller: Caller | None) -> Context:
    return Context(resources, caller, request_id="test")


async def run(
    document: str,
    variables: Mapping[str, Any] | None = None,
    *,
    executor: Executor = CLOSED,
    who: Caller | None = POWERLESS,
) -> Outcome:
    return await executor.run(document, variables, context(who))


def codes(outcome: Outcome) -> list[str]:
    return [failure.problem.code for failure in outcome.failures]


def messages(outcome: Outcome) -> list[str]:
    return [failure.problem.message for failure in outcome.failures]


def shown(outcome: Outcome) -> str:
    """All that a caller gets to see of the failures."""
    return json.dumps([failure.formatted for failure in outcome.failures], ensure_ascii=False)
