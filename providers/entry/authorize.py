"""The authorization endpoint of an entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from providers.entry.urls import AuthorizationEndpoint, Issuer, read_params_with_variables
from providers.entry.values import NO_PARAMS, EntryTable, form, list_of, params_without, text

_read_scope: Final = form(r"[!-~]+", "printable ASCII characters without a space", 256)


class Authorize(EntryTable, frozen=True, kw_only=True):
    """The authorization endpoint (RFC 6749 3.1). `iss` is what the provider sends with the code (RFC 9207).

    `pkce` is "none" only if the provider is known to refuse a code challenge. `pkce_checked` says whether it is known
    to check the verifier; unless it does, a code that was stolen from one user can be redeemed by another. `denied` is
    "state_only" if a refusal redirects without the `error` of RFC 6749 4.1.2.1.
    """

    url: AuthorizationEndpoint
    scope_separator: Annotated[str, text(1)] = " "
    scopes: Annotated[tuple[str, ...], list_of(_read_scope)] = ()
    pkce: Literal["S256", "none"] = "S256"
    pkce_checked: bool = True
    params: Annotated[
        Mapping[str, str],
        params_without(
            "response_type",
            "client_id",
            "redirect_uri",
            "scope",
            "state",
            "code_challenge",
            "code_challenge_method",
            read=read_params_with_variables,
        ),
    ] = NO_PARAMS
    denied: Literal["error", "state_only"] = "error"
    iss: Issuer | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        separator = known.get("scope_separator")
        if separator is not None and any(separator in scope for scope in given.get("scopes", ())):
            yield "scopes", "must not have the separator in a scope"
