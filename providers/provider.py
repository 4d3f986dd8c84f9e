"""An entry of the catalogue: a provider's endpoints, and how it deviates from the RFCs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid5

from providers.entry_values import (
    NO_PARAMS,
    DottedPath,
    EntryTable,
    form,
    list_of,
    params_without,
    text,
    whole_number,
)
from providers.error_rule import ErrorRule, Success
from providers.urls import ACCOUNT, AccountEndpoint, AuthorizationEndpoint, Base, Endpoint, EntryContext, Issuer, Page
from wire.tables import Invalid, read_table

NAMESPACE: Final = UUID("272d50bc-cdf4-47f7-ac3b-85bd3347f668")
"""Must never change: a provider's id is the UUIDv5 of its slug in this namespace."""


def provider_id(slug: str) -> UUID:
    """The same in every installation: the UUIDv5 of the slug in NAMESPACE."""
    return uuid5(NAMESPACE, slug)


DAY: Final = 24 * 60 * 60
MONTH: Final = 31 * DAY
UNAUTHORIZED: Final = 401

ClientAuth = Literal["client_secret_basic", "client_secret_post", "none"]

_read_scope: Final = form(r"[!-~]+", "printable ASCII characters without a space", 256)
_read_form_of_slug: Final = form(
    r"[a-z0-9][a-z0-9_-]{0,62}",
    "1 to 63 lower-case letters, digits, `_` and `-`, and begin with a letter or digit",
)
_read_rules: Final = list_of(partial(read_table, ErrorRule))


def _read_slug(value: object, context: EntryContext) -> str:
    slug = _read_form_of_slug(value, context)
    if slug != context.slug:
        raise Invalid(
            f"must be the name of the file without .toml: rename the file to {slug}.toml, "
            f'or write slug = "{context.slug}"'
        )
    return slug


class Authorize(EntryTable, frozen=True, kw_only=True):
    """The authorization endpoint (RFC 6749 3.1). `iss` is what the provider sends with the code (RFC 9207).

    `pkce` is "none" only if the provider is known to refuse a code challenge. `pkce_checked` says whether it is known
    to check the verifier; unless it does, a code that was stolen from one user can be redeemed by another.
    """

    url: AuthorizationEndpoint
    scope_separator: Annotated[str, text(1)] = " "
    scopes: Annotated[tuple[str, ...], list_of(_read_scope)] = ()
    pkce: Literal["S256", "none"] = "S256"
    pkce_checked: bool = True
    params: Annotated[
        Mapping[str, str],
        params_without(
            "response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"
        ),
    ] = NO_PARAMS
    iss: Issuer | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        separator = known.get("scope_separator")
        if separator is not None and any(separator in scope for scope in given.get("scopes", ())):
            yield "scopes", "must not have the separator in a scope"


class Token(EntryTable, frozen=True, kw_only=True):
    """The token endpoint (RFC 6749 3.2) and its answer.

    `root` is the path to the object with the tokens, `account` the path in that object to the provider's own user id.
    `refresh` says what happens to the refresh token when it is used: it is replaced (`rotating`), stays valid
    (`reusable`), stays valid for longer (`extending`), or there is none. A replaced one stays valid for
    `refresh_grace` seconds; afterwards its use is `refused`, or `revokes` all tokens of the grant (RFC 9700 4.14.2).

    `extended` says how an answer without tokens shows that it extended those that there are.

    An access token with less than `margin` seconds left is refreshed. `refresh_ahead` says that refresh tokens expire
    unless they are used. After `quiet` seconds, the provider no longer handles a request whose answer didn't come.
    """

    url: Endpoint
    refresh_url: Endpoint | None = None
    auth: ClientAuth = "client_secret_basic"
    params: Annotated[
        Mapping[str, str],
        params_without(
            "grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "client_id", "client_secret"
        ),
    ] = NO_PARAMS
    root: DottedPath | None = None
    success: Success | None = None
    errors: Annotated[tuple[ErrorRule, ...], _read_rules] = ()
    expires: Literal["expires_in", "expires_at", "jwt", "never"] = "expires_in"
    refresh: Literal["rotating", "reusable", "extending", "none"] = "rotating"
    refresh_params: Annotated[
        Mapping[str, str], params_without("grant_type", "refresh_token", "client_id", "client_secret")
    ] = NO_PARAMS
    refresh_grace: Annotated[int, whole_number(0, MONTH)] = 0
    reuse: Literal["refused", "revokes"] = "revokes"
    extended: Success | None = None
    refresh_ahead: bool = False
    margin: Annotated[int, whole_number(1, DAY)] = 60
    quiet: Annotated[int, whole_number(1, DAY)] = 60
    account: DottedPath | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        refresh = known.get("refresh")
        if refresh not in ("rotating", None):
            for name in ("refresh_grace", "reuse"):
                if name in given:
                    yield name, "is only for refresh = 'rotating': no other refresh token is replaced"
        if refresh not in ("extending", None) and "extended" in given:
            yield "extended", "is only for refresh = 'extending': any other refresh is answered by an access token"
        for name in ("refresh_ahead", "refresh_params"):
            if refresh == "none" and given.get(name):
                yield name, "can't go with refresh = 'none'"

    @property
    def replaces_refresh_tokens(self) -> bool:
        """Whether a refresh token can be used once only, apart from `refresh_grace`."""
        return self.refresh == "rotating"

    def quiet_for_refresh(self, since_first_sent: float = 0) -> int:
        """The seconds to wait before a refresh token is sent again, after a refresh whose outcome is unknown.

        None are needed if the same token may be used twice: always, or because it was first sent `since_first_sent`
        seconds ago, which is within its grace. Otherwise the provider might handle both requests, and take the later
        one for the use of a stolen token.
        """
        is_safe = not self.replaces_refresh_tokens or since_first_sent < self.refresh_grace
        return 0 if is_safe else self.quiet


class Account(EntryTable, frozen=True, kw_only=True):
    """The endpoint for the provider's own user id, if the token answer has none. `field` is a dotted path."""

    url: Endpoint
    field: DottedPath


class Api(EntryTable, frozen=True, kw_only=True):
    """The provider's API, which callers use with the access tokens that they get."""

    base: Base


class Revoke(EntryTable, frozen=True, kw_only=True, dict=True):
    """The revocation endpoint (RFC 7009). With `bearer`, the access token is sent in the header.

    `{account}` in `url` and in the values of `params` stands for the provider's own id of the user. A row of `errors`
    with `grant_over` means that there is nothing left to revoke. `ends` says what a revocation ends: the tokens of one
    consent (`token`), all consents of the user to this app (`grant`), or whatever the app has of the account
    (`account`), such as its registration for webhooks.
    """

    method: Literal["POST", "DELETE", "GET"] = "POST"
    url: AccountEndpoint
    auth: Literal[ClientAuth, "bearer"] = "client_secret_basic"
    token: Literal["access_token", "refresh_token"] | None = None
    params: Annotated[Mapping[str, str], params_without("token", "client_id", "client_secret")] = NO_PARAMS
    errors: Annotated[tuple[ErrorRule, ...], _read_rules] = ()
    ends: Literal["token", "grant", "account"] = "grant"

    @classmethod
    def conflicts(cls, given: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        auth = known.get("auth", "bearer")
        if known.get("method") == "GET":
            secrets = ["auth"] if auth == "client_secret_post" else []
            for name in [*secrets, *(name for name in ("token", "params") if given.get(name))]:
                yield name, "can't go with GET: there is no form, and no secret stands in a URL"
        if auth != "bearer" and known.get("token", "invalid") is None:
            yield "token", "is missing: only auth = 'bearer' sends a token without it"
        if known.get("auth") == "bearer" and any(rule.status == UNAUTHORIZED for rule in given.get("errors", ())):
            yield "errors", "can't have status = 401 with auth = 'bearer': it always means that the token was refused"

    @cached_property
    def needs_account(self) -> bool:
        """Whether the request has the account in it."""
        return any(ACCOUNT in text for text in (self.url, *self.params.values()))


class Provider(EntryTable, frozen=True, kw_only=True, dict=True):
    """An entry as in its file, with the variables in its URLs replaced. `notes` has what is uncertain about it."""

    slug: Annotated[str, _read_slug]
    name: Annotated[str, text(100)]
    docs: Page
    notes: str | None = None
    authorize: Authorize
    token: Token
    account: Account | None = None
    api: Api | None = None
    revoke: Revoke | None = None

    @cached_property
    def id(self) -> UUID:
        return provider_id(self.slug)

    @cached_property
    def revocation_ends_other_tokens(self) -> bool:
        """Whether revoking the tokens of one connection may end those of another one on the same account, or those that
        the user gets by connecting again."""
        return self.revoke is not None and self.revoke.ends != "token"

    @cached_property
    def revocation_ends_only_its_tokens(self) -> bool:
        """Whether the tokens of one connection can be revoked without harm to any others."""
        return self.revoke is not None and self.revoke.ends == "token"
