"""An entry of the catalogue: a provider's endpoints, and how it deviates from the RFCs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, cast
from uuid import UUID, uuid5

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo, field_validator

from providers.urls import AuthorizationEndpoint, Endpoint, EntryContext, Issuer, Page

NAMESPACE: Final = UUID("272d50bc-cdf4-47f7-ac3b-85bd3347f668")
"""Must never change: a provider's id is the UUIDv5 of its slug in this namespace."""


def provider_id(slug: str) -> UUID:
    """The same in every installation: the UUIDv5 of the slug in NAMESPACE."""
    return uuid5(NAMESPACE, slug)


def _scalar(value: object) -> str | int | bool:
    if isinstance(value, str | int):
        return value
    raise ValueError("must be a string, a whole number or a boolean")


def _without(*ours: str) -> AfterValidator:
    """Validates extra parameters, which are sent as they are: none of `ours`, which Tendon fills in."""

    def check(params: Mapping[str, str]) -> Mapping[str, str]:
        for name in ours:
            if name in params:
                message = f"must not have {name}, which is filled in"
                raise ValueError(message)
        return MappingProxyType(dict(params))

    return AfterValidator(check)


def _no_params() -> Mapping[str, str]:
    return MappingProxyType({})


ClientAuth = Literal["client_secret_basic", "client_secret_post", "none"]
SLUG: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
SCOPE: Final = r"^[!-~]+$"
DOTTED_PATH: Final = r"^[^.\s]+(\.[^.\s]+)*$"
HEADER_NAME: Final = r"^[A-Za-z0-9-]+$"
DottedPath = Annotated[str, Field(pattern=DOTTED_PATH)]
Scope = Annotated[str, Field(pattern=SCOPE, max_length=256)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Authorize(_Table):
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
        _without(
            "response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"
        ),
    ] = Field(default_factory=_no_params)
    iss: Issuer | None = None

    @field_validator("scopes")
    @classmethod
    def _in_one_piece(cls, scopes: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        separator = info.data.get("scope_separator")
        if separator is not None and any(separator in scope for scope in scopes):
            raise ValueError("must not have the separator in a scope")
        return scopes


class Success(_Table):
    """What an answer must contain to be a success: the value at `field`, a path from the top, must be `equals`."""

    field: DottedPath
    equals: Annotated[str | int | bool, PlainValidator(_scalar)]


def _scalars(value: object) -> tuple[str | int | bool, ...]:
    values = (
        tuple(_scalar(one) for one in cast("list[object]", value)) if isinstance(value, list) else (_scalar(value),)
    )
    if not values:
        raise ValueError("must not be an empty list")
    return values


class ErrorRule(_Table):
    """Assigns a meaning to some of a provider's error answers. The first rule that matches an answer decides.

    A rule matches by the HTTP `status`, by the value at `field`, a path from the top of the answer, or by both. `field`
    alone must be present and not null; with `equals` it must be that value, or one of those, and with `starts_with` a
    string with that prefix. `wait`, also a path, and `wait_header`, a header field, contain the seconds that the
    provider asks us to wait.
    """

    status: Annotated[int, Field(ge=200, le=599)] | None = None
    field: DottedPath | None = Field(default=None, validate_default=True)
    equals: Annotated[tuple[str | int | bool, ...], PlainValidator(_scalars)] | None = None
    starts_with: Annotated[str, Field(min_length=1)] | None = None
    # Declared before `wait` and `wait_header`, which are validated against it.
    meaning: Literal["grant_over", "misconfigured", "slow_down", "passing"]
    wait: DottedPath | None = None
    wait_header: Annotated[str, Field(pattern=HEADER_NAME)] | None = None

    @field_validator("field")
    @classmethod
    def _some_condition(cls, field: str | None, info: ValidationInfo) -> str | None:
        if field is None and info.data.get("status", 0) is None:
            raise ValueError("is missing: a rule needs status, field or both")
        return field

    @field_validator("equals", "starts_with")
    @classmethod
    def _of_a_field(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("field", "") is None:
            raise ValueError("needs field")
        if value is not None and info.data.get("equals") is not None:
            raise ValueError("can't be combined with equals")
        return value

    @field_validator("wait", "wait_header")
    @classmethod
    def _of_a_retryable_error(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("meaning") in ("grant_over", "misconfigured"):
            raise ValueError("is only for slow_down and passing")
        if value is not None and info.data.get("wait") is not None:
            raise ValueError("can't be combined with wait")
        return value


class Token(_Table):
    """The token endpoint (RFC 6749 3.2) and its answer.

    `root` is the path to the object with the tokens, `account` the path in that object to the provider's own user id.
    `refresh` says what happens to the refresh token when it is used: it is replaced (`rotating`), stays valid
    (`reusable`), stays valid for longer (`extending`), or there is none.
    """

    url: Endpoint
    refresh_url: Endpoint | None = None
    auth: ClientAuth = "client_secret_basic"
    params: Annotated[
        Mapping[str, str],
        _without("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "client_id", "client_secret"),
    ] = Field(default_factory=_no_params)
    root: DottedPath | None = None
    success: Success | None = None
    errors: Annotated[tuple[ErrorRule, ...], Field(strict=False)] = ()
    expires: Literal["expires_in", "expires_at", "jwt", "never"] = "expires_in"
    refresh: Literal["rotating", "reusable", "extending", "none"] = "rotating"
    account: DottedPath | None = None


class Account(_Table):
    """The endpoint for the provider's own user id, if the token answer has none. `field` is a dotted path."""

    url: Endpoint
    field: DottedPath


class Revoke(_Table):
    """The revocation endpoint (RFC 7009). With `bearer`, the access token is sent in the header."""

    # Declared before the others, which are validated against them.
    method: Literal["POST", "DELETE", "GET"] = "POST"
    url: Endpoint
    auth: Literal[ClientAuth, "bearer"] = "client_secret_basic"
    token: Literal["access_token", "refresh_token"] | None = Field(default=None, validate_default=True)
    params: Annotated[Mapping[str, str], _without("token", "client_id", "client_secret")] = Field(
        default_factory=_no_params
    )

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


class Provider(_Table):
    """An entry as in its file, with the variables in its URLs replaced. `notes` has what is uncertain about it."""

    slug: Annotated[str, Field(pattern=SLUG)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    docs: Page
    notes: str | None = None
    authorize: Authorize
    token: Token
    account: Account | None = None
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
