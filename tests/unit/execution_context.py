"""The executor with nothing but a database behind it: a resolver finds no provider, and a caller without scopes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from models.vault import Vault, new_key, read_keys
from resolvers.caller import Caller
from resolvers.context import Context, Resources
from schema.execution import Executor, Outcome

CLOSED, OPEN = Executor(explore=False), Executor(explore=True)


def context(*, caller: Caller | None) -> Context:
    nothing: Any = None
    resources = Resources(
        catalogue={},
        registrations={},
        redirects=nothing,
        vault=Vault(read_keys(new_key("test"))),
        client=nothing,
        provider_timeout=1,
        flights=nothing,
    )
    return Context(resources, caller, request_id="test")


POWERLESS = context(caller=Caller("alice", "app", frozenset()))
NOBODY = context(caller=None)


async def run(
    document: str, variables: Mapping[str, Any] | None = None, *, executor: Executor = CLOSED, who: Context = POWERLESS
) -> Outcome:
    return await executor.run(document, variables, who)


def codes(outcome: Outcome) -> list[str]:
    return [failure.problem.code for failure in outcome.failures]


def messages(outcome: Outcome) -> list[str]:
    return [failure.problem.message for failure in outcome.failures]


def shown(outcome: Outcome) -> str:
    """All that a caller gets to see of the failures."""
    return json.dumps([failure.formatted for failure in outcome.failures], ensure_ascii=False)
