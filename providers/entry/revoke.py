"""The revocation endpoint of an entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from providers.entry.adapters import read_revocation_adapter
from providers.entry.error_rule import ErrorRule, Success
from providers.entry.headers import ACCESS_TOKEN, TOKENS, placeholders, read_revocation_headers
from providers.entry.token import ABOUT_US, ClientAuth, read_error_rules
from providers.entry.urls import ACCOUNT, RevocationEndpoint
from providers.entry.values import NO_PARAMS, EntryTable, params_without

UNAUTHORIZED: Final = 401


class Revoke(EntryTable, frozen=True, kw_only=True, dict=True):
    """The revocation endpoint (RFC 7009). With `bearer`, the access token is sent in the `Authorization` header; with
    `anonymous`, nothing says which client it is. An `adapter` does what these keys can't express.

    `{account}` in `url` and in the values of `params` stands for the provider's own id of the user. `url` may contain
    `{client_id}`, and `url` and `headers` a token. A 2xx must have what `success` requires. A row of `errors` with
    `grant_over` means that there is nothing left to revoke. `ends` says what a revocation ends: the tokens of one
    consent (`token`), all consents of the user to this app (`grant`), or whatever the app has of the account
    (`account`), such as its registration for webhooks.
    """

    method: Literal["POST", "DELETE", "GET"] = "POST"
    url: RevocationEndpoint
    auth: Literal[ClientAuth, "bearer", "anonymous"] = "client_secret_basic"
    token: Literal["access_token", "refresh_token"] | None = None
    params: Annotated[Mapping[str, str], params_without("token", *ABOUT_US)] = NO_PARAMS
    headers: Annotated[Mapping[str, str], read_revocation_headers] = NO_PARAMS
    adapter: Annotated[str, read_revocation_adapter] | None = None
    success: Success | None = None
    errors: Annotated[tuple[ErrorRule, ...], read_error_rules] = ()
    ends: Literal["token", "grant", "account"] = "grant"

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if known.get("adapter", "invalid") is not None:
            for name in ("method", "auth", "token", "params", "headers", "success"):
                if name in given:
                    yield name, "can't go with adapter, which decides what is sent"
            return
        if known.get("method") == "GET":
            in_form = ["auth"] if known.get("auth") in ("client_secret_post", "private_key_jwt", "none") else []
            for name in [*in_form, *(name for name in ("token", "params") if given.get(name))]:
                yield name, "can't go with GET: there is no form, and no secret stands in a URL"
        auth = known.get("auth", "bearer")
        elsewhere = placeholders(given.get("url", ""), *given.get("headers", {}).values())
        is_whole = {"url", "headers"} <= known.keys() and known.get("token", "invalid") is None
        if auth != "bearer" and is_whole and elsewhere.isdisjoint(TOKENS):
            yield "token", "is missing: neither auth = 'bearer' nor the URL nor a header sends one"
        by_token = known.get("auth") == "bearer" or ACCESS_TOKEN in elsewhere
        if by_token and any(rule.status == UNAUTHORIZED for rule in given.get("errors", ())):
            yield "errors", "can't have status = 401: the access token that authorizes the request may have expired"

    @cached_property
    def needs(self) -> frozenset[str]:
        """What of a connection must be known for the request: `account`, `access_token`, `refresh_token`."""
        in_form = {ACCOUNT} if any(f"{{{ACCOUNT}}}" in text for text in self.params.values()) else set[str]()
        return frozenset(self._in_head | in_form | ({self.token} if self.token else set()))

    @cached_property
    def is_personal(self) -> bool:
        """Whether the URL or a header field of the request is one user's only."""
        return bool(self._in_head)

    @cached_property
    def is_authorized_by_access_token(self) -> bool:
        """Whether a refusal may mean only that the access token has expired."""
        return self.auth == "bearer" or ACCESS_TOKEN in self._in_head

    @cached_property
    def _in_head(self) -> set[str]:
        return placeholders(self.url, *self.headers.values()) & {ACCOUNT, *TOKENS}
