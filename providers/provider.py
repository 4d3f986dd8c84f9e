"""An entry of the catalogue: a provider's endpoints, and how it deviates from the RFCs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid5

from pydantic import Field, ValidationInfo, field_validator

from providers.entry_table import DottedPath, Table, no_params, without
from providers.error_rule import ErrorRule, Success
from providers.urls import ACCOUNT, AccountEndpoint, AuthorizationEndpoint, Base, Endpoint, EntryContext, Issuer, Page

NAMESPACE: Final = UUID("272d50bc-cdf4-47f7-ac3b-85bd3347f668")
"""Must never change: a provider's id is the UUIDv5 of its slug in this namespace."""


def provider_id(slug: str) -> UUID:
    """The same in every installation: the UUIDv5 of the slug in NAMESPACE."""
    return uuid5(NAMESPACE, slug)


DAY: Final = 24 * 60 * 60
MONTH: Final = 31 * DAY
UNAUTHORIZED: Final = 401

ClientAuth = Literal["client_secret_basic", "client_secret_post", "none"]
SCOPE: Final = r"^[!-~]+$"
SLUG: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
Scope = Annotated[str, Field(pattern=SCOPE, max_length=256)]


class Authorize(Table):
    """The authorization endpoint (RFC 6749 3.1). `iss` is what the provider sends with the code (RFC 9207).

    `pkce` is "none" only if the provider is known to refuse a code challenge. `pkce_checked` says whether it is known
    to check the verifier; unless it does, a code that was stolen from one user can be redeemed by another.
    """

    url: AuthorizationEndpoint
    # Declared before `scopes`, which is validated against it.
    scope_separator: Annotated[str, Field(min_length=1, max_length=1)] = " "
    scopes: Annotated[tuple[Scope, ...], Field(strict=False)] = ()
    pkce: Literal["S256", "none"] = "S256"
    pkce_checked: bool = True
    params: Annotated[
        Mapping[str, str],
        without(
            "response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"
        ),
    ] = Field(default_factory=no_params)
    iss: Issuer | None = None

    @field_validator("scopes")
    @classmethod
    def _in_one_piece(cls, scopes: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        separator = info.data.get("scope_separator")
        if separator is not None and any(separator in scope for scope in scopes):
            raise ValueError("must not have the separator in a scope")
        return scopes


class Token(Table):
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
        without("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "client_id", "client_secret"),
    ] = Field(default_factory=no_params)
    root: DottedPath | None = None
    success: Success | None = None
    errors: Annotated[tuple[ErrorRule, ...], Field(strict=False)] = ()
    expires: Literal["expires_in", "expires_at", "jwt", "never"] = "expires_in"
    # Declared before the keys that are validated against it.
    refresh: Literal["rotating", "reusable", "extending", "none"] = "rotating"
    refresh_params: Annotated[
        Mapping[str, str], without("grant_type", "refresh_token", "client_id", "client_secret")
    ] = Field(default_factory=no_params)
    refresh_grace: Annotated[int, Field(ge=0, le=MONTH)] = 0
    reuse: Literal["refused", "revokes"] = "revokes"
    extended: Success | None = None
    refresh_ahead: bool = False
    margin: Annotated[int, Field(ge=1, le=DAY)] = 60
    quiet: Annotated[int, Field(ge=1, le=DAY)] = 60
    account: DottedPath | None = None

    @field_validator("refresh_grace", "reuse")
    @classmethod
    def _of_a_rotating_token(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("refresh", "rotating") != "rotating":
            raise ValueError("is only for refresh = 'rotating': no other refresh token is replaced")
        return value

    @field_validator("extended")
    @classmethod
    def _of_an_extending_token(cls, value: Success | None, info: ValidationInfo) -> Success | None:
        if value is not None and info.data.get("refresh", "extending") != "extending":
            raise ValueError("is only for refresh = 'extending': any other refresh is answered by an access token")
        return value

    @field_validator("refresh_ahead", "refresh_params")
    @classmethod
    def _of_a_refresh_token(cls, value: Any, info: ValidationInfo) -> Any:
        if value and info.data.get("refresh") == "none":
            raise ValueError("can't go with refresh = 'none'")
        return value

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


class Account(Table):
    """The endpoint for the provider's own user id, if the token answer has none. `field` is a dotted path."""

    url: Endpoint
    field: DottedPath


class Api(Table):
    """The provider's API, which callers use with the access tokens that they get."""

    base: Base


class Revoke(Table):
    """The revocation endpoint (RFC 7009). With `bearer`, the access token is sent in the header.

    `{account}` in `url` and in the values of `params` stands for the provider's own id of the user. A row of `errors`
    with `grant_over` means that there is nothing left to revoke. `ends` says what a revocation ends: the tokens of one
    consent (`token`), all consents of the user to this app (`grant`), or whatever the app has of the account
    (`account`), such as its registration for webhooks.
    """

    # Declared before the others, which are validated against them.
    method: Literal["POST", "DELETE", "GET"] = "POST"
    url: AccountEndpoint
    auth: Literal[ClientAuth, "bearer"] = "client_secret_basic"
    token: Literal["access_token", "refresh_token"] | None = Field(default=None, validate_default=True)
    params: Annotated[Mapping[str, str], without("token", "client_id", "client_secret")] = Field(
        default_factory=no_params
    )
    errors: Annotated[tuple[ErrorRule, ...], Field(strict=False)] = ()
    ends: Literal["token", "grant", "account"] = "grant"

    @field_validator("token")
    @classmethod
    def _some_token(cls, token: str | None, info: ValidationInfo) -> str | None:
        if token is None and info.data.get("auth", "bearer") != "bearer":
            raise ValueError("is missing: only auth = 'bearer' sends a token without it")
        return token

    @field_validator("auth", "token", "params")
    @classmethod
    def _has_a_form(cls, value: Any, info: ValidationInfo) -> Any:
        needs_form = value == "client_secret_post" if info.field_name == "auth" else bool(value)
        if needs_form and info.data.get("method") == "GET":
            raise ValueError("can't go with GET: there is no form, and no secret stands in a URL")
        return value

    @field_validator("errors")
    @classmethod
    def _without_a_refused_bearer(cls, rules: tuple[ErrorRule, ...], info: ValidationInfo) -> tuple[ErrorRule, ...]:
        if info.data.get("auth") == "bearer" and any(rule.status == UNAUTHORIZED for rule in rules):
            raise ValueError("can't have status = 401 with auth = 'bearer': it always means that the token was refused")
        return rules

    @cached_property
    def needs_account(self) -> bool:
        """Whether the request has the account in it."""
        return any(ACCOUNT in text for text in (self.url, *self.params.values()))


class Provider(Table):
    """An entry as in its file, with the variables in its URLs replaced. `notes` has what is uncertain about it."""

    slug: Annotated[str, Field(pattern=SLUG)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    docs: Page
    notes: str | None = None
    authorize: Authorize
    token: Token
    account: Account | None = None
    api: Api | None = None
    revoke: Revoke | None = None

    @field_validator("slug")
    @classmethod
    def _equals_file_name(cls, slug: str, info: ValidationInfo[EntryContext]) -> str:
        if slug != info.context.slug:
            raise ValueError(
                f"must be the name of the file without .toml: rename the file to {slug}.toml, "
                f'or write slug = "{info.context.slug}"'
            )
        return slug

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
