"""A context in which the public fields can be resolved, and no others."""

from __future__ import annotations

from typing import Any

from providers.catalogue import read_catalogue
from resolvers.caller import Caller
from resolvers.context import Context, Resources

ALICE = Caller("alice", "app", frozenset())


def public_context(caller: Caller | None = ALICE) -> Context:
    """Just what the public fields look at: the catalogue."""
    nothing: Any = None
    resources = Resources(
        catalogue=read_catalogue(),
        registrations={},
        redirects=nothing,
        database=nothing,
        vault=nothing,
        client=nothing,
        provider_timeout=1,
        background=nothing,
    )
    return Context(resources, caller=caller, request_id="test")
