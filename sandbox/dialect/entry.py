"""The dialect of a provider, as its catalogue entry describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sandbox.dialect.answers import ErrorForm, Success
from sandbox.dialect.calls import ANY_CALL, CLIENT_AUTH, BearerCall, Revocation
from sandbox.dialect.tables import one_of, required, table, texts
from sandbox.dialect.templates import REVOCATION_NAMES, filled, query, routed_in_browser


@dataclass(frozen=True, slots=True)
class Dialect:
    """`site` is one of the provider's sites; empty if it has none.

    `account` is a dotted path in the token object, `account_claim` one in the claims of its id_token. `account_call` is
    how the account is asked for, and `granted_call` how the granted scopes are; None if they can't be.

    `offered` are the scopes that the user can grant: those that the entry requests, or, if it requests none and they
    are asked for, those that it has sentences for. `refresh_grace` is in seconds.

    `scope_prefix` stands before each scope of a token answer.
    `params`, `refresh_params` and `authorize_params` are parameters that a request must have, and `queries` has those
    that stand in the URL of an endpoint. `token_headers` and `api_headers` are header fields that it must have.
    `secrets` are the names of credentials beyond the client's id and secret.
    `audience` is what an assertion of the client must be for, and `algorithm` how it must be signed.
    `preparation` is the adapter for what must be done before a token can be used.

    `pkce_checked` is False for a provider that may ignore code challenge and verifier. The sandbox then ignores them,
    which is the worst case.
    """

    slug: str
    name: str
    offered: tuple[str, ...]
    scope_separator: str
    pkce: str
    pkce_checked: bool
    iss: str | None
    auth: str
    params: Mapping[str, str]
    refresh_params: Mapping[str, str]
    root: str | None
    success: Success | None
    errors: tuple[ErrorForm, ...]
    expires: str
    refresh: str
    refresh_grace: float
    reuse: str
    separate_refresh: bool
    account: str | None
    revocation: Revocation | None
    site: str = ""
    scope_prefix: str = ""
    authorize_params: Mapping[str, str] = field(default_factory=dict[str, str])
    denied: str = "error"
    routed_in_browser: bool = False
    token_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    extended: Success | None = None
    refresh_expires: float | None = None
    account_claim: str | None = None
    account_call: BearerCall = ANY_CALL
    granted_call: BearerCall | None = None
    preparation: str | None = None
    api_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    queries: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    secrets: tuple[str, ...] = ()
    audience: str | None = None
    algorithm: str | None = None

    @classmethod
    def read(cls, entry: Mapping[str, Any], site: str = "") -> Dialect:
        """Read a parsed catalogue file, with the defaults of the RFCs. Raises DialectError, which names the key."""
        entry = _with_variables(entry, site)
        authorize, token = table(entry, "authorize"), table(entry, "token")
        return cls(
            slug=required(entry, "slug"),
            site=site,
            name=required(entry, "name"),
            offered=_offered(entry, authorize),
            scope_separator=authorize.get("scope_separator", " "),
            pkce=one_of(authorize, "pkce", ("S256", "none")),
            pkce_checked=authorize.get("pkce_checked", True),
            iss=authorize.get("iss"),
            denied=one_of(authorize, "denied", ("error", "state_only")),
            authorize_params=texts(authorize, "params"),
            routed_in_browser=routed_in_browser(authorize.get("url", "")),
            scope_prefix=token.get("scope_prefix", ""),
            auth=one_of(token, "auth", CLIENT_AUTH),
            params=texts(token, "params"),
            refresh_params=texts(token, "refresh_params"),
            token_headers=texts(token, "headers"),
            root=token.get("root"),
            success=Success.read(token.get("success")),
            extended=Success.read(token.get("extended")),
            errors=ErrorForm.read_all(token),
            expires=one_of(token, "expires", ("expires_in", "expires_at", "jwt", "never")),
            refresh=one_of(token, "refresh", ("rotating", "reusable", "extending", "none")),
            refresh_grace=token.get("refresh_grace", 0),
            refresh_expires=token.get("refresh_expires"),
            reuse=one_of(token, "reuse", ("revokes", "refused")),
            separate_refresh="refresh_url" in token,
            account=token.get("account"),
            account_claim=token.get("account_claim"),
            account_call=BearerCall.read(table(entry, "account")) if "account" in entry else ANY_CALL,
            granted_call=BearerCall.read(table(entry, "granted")) if "granted" in entry else None,
            preparation=required(table(entry, "after_exchange"), "adapter") if "after_exchange" in entry else None,
            api_headers=texts(entry.get("api", {}), "headers"),
            revocation=Revocation.read(table(entry, "revoke")) if "revoke" in entry else None,
            queries=_queries(entry),
            audience=token.get("url") if "algorithm" in token else None,
            algorithm=token.get("algorithm"),
            secrets=tuple(entry.get("registration", {}).get("secrets", [])),
        )

    @property
    def key(self) -> str:
        """What tells it from all others: the slug, and the site if there is one."""
        return f"{self.slug}/{self.site}" if self.site else self.slug

    def errors_at(self, endpoint: str) -> tuple[ErrorForm, ...]:
        """The provider's own forms of errors; those of revocation are its own."""
        if endpoint == "revoke":
            return self.revocation.errors if self.revocation else ()
        return self.errors

    def success_at(self, endpoint: str) -> Success | None:
        """What shows a success, where errors come with HTTP 200."""
        if endpoint == "revoke" and self.revocation:
            return self.success if self.revocation.adapter else self.revocation.success
        return self.success if endpoint == "token" else None

    def headers_at(self, endpoint: str) -> Mapping[str, str]:
        """The header fields that a request must have."""
        calls = {"account": self.account_call, "granted": self.granted_call, "revoke": self.revocation}
        if call := calls.get(endpoint):
            return call.headers
        return {"token": self.token_headers, "api": self.api_headers}.get(endpoint, {})

    def scopes(self, joined: str | None) -> list[str]:
        """The scopes in a `scope` parameter, in its order."""
        return [scope for scope in (joined or "").split(self.scope_separator) if scope]


def read_dialects(entry: Mapping[str, Any]) -> list[Dialect]:
    """The dialect at each of the provider's sites; a single one if it has none. Raises DialectError."""
    return [Dialect.read(entry, site) for site in entry.get("sites", {})] or [Dialect.read(entry)]


def _offered(entry: Mapping[str, Any], authorize: Mapping[str, Any]) -> tuple[str, ...]:
    requested = tuple(authorize.get("scopes", []))
    return requested or (tuple(entry.get("scopes", {})) if "granted" in entry else ())


def _queries(entry: Mapping[str, Any]) -> dict[str, Mapping[str, str]]:
    """The parameters in the URLs of an entry, by endpoint."""
    places = {
        "authorize": ("authorize", "url"),
        "token": ("token", "url"),
        "refresh": ("token", "refresh_url"),
        "after_exchange": ("after_exchange", "url"),
    }
    return {name: query(str(entry.get(table, {}).get(key, ""))) for name, (table, key) in places.items()}


def _with_variables(entry: Mapping[str, Any], site: str) -> dict[str, Any]:
    """The entry with the values of its variables at that site in its URLs and parameters."""
    values = dict(texts(entry, "variables"))
    if site:
        values |= texts(table(table(entry, "sites"), site), "variables")
    return {name: _replaced(value, values, name) for name, value in entry.items()}


def _replaced(value: object, values: Mapping[str, str], name: str) -> Any:
    if not isinstance(value, dict):
        return value
    changed = dict(cast("dict[str, Any]", value))
    # What is replaced only when a request is sent comes before variables of the same name.
    known = {key: text for key, text in values.items() if name != "revoke" or key not in REVOCATION_NAMES}
    for key in ("url", "refresh_url", "base", "iss"):
        if isinstance(changed.get(key), str):
            changed[key] = filled(changed[key], known)
    if name == "authorize" and isinstance(changed.get("params"), dict):
        changed["params"] = {key: filled(text, known) for key, text in texts(changed, "params").items()}
    return changed
