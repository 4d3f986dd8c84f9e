"""What is asked with a new access token, right after the exchange, and the API that it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from providers.entry.adapters import read_after_exchange_adapter
from providers.entry.api_facts import Limit, Paging, read_limits
from providers.entry.headers import read_headers
from providers.entry.urls import Base, Endpoint
from providers.entry.values import NO_PARAMS, DottedPath, EntryTable, params_without


class Account(EntryTable, frozen=True, kw_only=True):
    """The endpoint for the provider's own user id, if the token answer has none. `field` is a dotted path, and `form`
    has the parameters of a POST."""

    url: Endpoint
    field: DottedPath
    method: Literal["GET", "POST"] = "GET"
    form: Annotated[Mapping[str, str], params_without("client_secret")] = NO_PARAMS
    headers: Annotated[Mapping[str, str], read_headers] = NO_PARAMS

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if known.get("method") == "GET" and given.get("form"):
            yield "form", "can't go with GET: only a POST has a form"


class Granted(EntryTable, frozen=True, kw_only=True):
    """The endpoint that says which scopes the user granted, where the token answer names something else. `field` is the
    dotted path of the list."""

    url: Endpoint
    field: DottedPath


class AfterExchange(EntryTable, frozen=True, kw_only=True):
    """What must be done at `url` before the tokens can be used, by an adapter."""

    adapter: Annotated[str, read_after_exchange_adapter]
    url: Endpoint


class Api(EntryTable, frozen=True, kw_only=True):
    """The provider's API, which callers use with the access tokens that they get, and the headers that it requires
    besides them."""

    base: Base
    headers: Annotated[Mapping[str, str], read_headers] = NO_PARAMS
    paging: Paging | None = None
    limits: Annotated[tuple[Limit, ...], read_limits] = ()
