"""A context in which the public fields can be resolved, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.catalogue import Catalogue, read_catalogue
from resolvers.caller import Caller
from resolvers.context import Context, Registration, Resources

ALICE = Caller("alice", "app", frozenset())


def public_context(
    caller: Caller | None = ALICE,
    *,
    catalogue: Catalogue | None = None,
    registrations: Mapping[str, Registration] | None = None,
) -> Context:
    """Just what the public fields look at: the catalogue, by default the built-in one, and our registrations."""
    nothing: Any = None
    resources = Resources(
        catalogue=read_catalogue() if catalogue is None else catalogue,
        registrations=registrations or {},
        redirects=nothing,
        database=nothing,
        vault=nothing,
        client=nothing,
        provider_timeout=1,
        background=nothing,
    )
    return Context(resources, caller=caller, request_id="test")
