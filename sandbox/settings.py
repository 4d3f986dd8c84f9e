"""How a provider behaves: what a script can change while it runs, for a whole provider, one account, or one flow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.dialect import Dialect

Seconds = Annotated[float, Field(ge=0, le=10**9, allow_inf_nan=False)]


class Settings(BaseModel):
    """Lifetimes apply to what is issued from then on, everything else from the next request on.

    The defaults of `refresh`, `refresh_grace`, `refresh_idle`, `reuse` and `revoke_ends` are those of the catalogue
    entry.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    decision: Annotated[
        Literal["approve", "deny"] | None,
        Field(description="Answers all authorization requests without asking. For a whole provider only."),
    ] = None
    scope_in_answer: Annotated[bool, Field(description="Whether token answers contain `scope`.")] = True
    code_life: Annotated[Seconds, Field(description="How long a code can be exchanged.")] = 60
    access_life: Annotated[Seconds, Field(description="How long an access token is valid.")] = 3600
    expires_fraction: Annotated[bool, Field(description="Whether lifetimes in answers have a fraction.")] = False
    access_kept_above: Annotated[
        Seconds | None,
        Field(description="A refresh returns the present access token again while it is valid for longer than this."),
    ] = None
    old_access: Annotated[
        Literal["kept", "ended"], Field(description="What a refresh does to older access tokens of the family.")
    ] = "kept"
    refresh: Annotated[
        Literal["rotating", "reusable", "extending", "none"],
        Field(description="What a refresh does: see `token.refresh` in the catalogue."),
    ] = "rotating"
    rotate_every: Annotated[
        int,
        Field(ge=1, description="With `rotating`: only every nth refresh of a family replaces the refresh token."),
    ] = 1
    refresh_in_answer: Annotated[
        bool, Field(description="Whether the answer repeats a refresh token that stays the same.")
    ] = False
    refresh_grace: Annotated[
        Seconds, Field(description="How long after its first use a refresh token still works, and gets a new pair.")
    ] = 0
    grace_until_used: Annotated[
        bool, Field(description="The grace also ends with the first use of the access token that was issued.")
    ] = False
    grace_siblings: Annotated[
        Literal["kept", "used"],
        Field(description="What a use within the grace does to refresh tokens that the earlier uses got."),
    ] = "kept"
    reuse: Annotated[
        Literal["revokes", "refused"],
        Field(description="What a used refresh token does after the grace: it ends the family, or is only refused."),
    ] = "revokes"
    refresh_idle: Annotated[
        Seconds | None, Field(description="How long a refresh token lives without being used; null: for ever.")
    ] = None
    families_per_grant: Annotated[
        int | None,
        Field(ge=1, description="With each exchange of a code, the oldest families beyond this number end."),
    ] = None
    revoke_ends: Annotated[
        Literal["token", "grant", "account"],
        Field(description="What a revocation ends: the family of the token, or all families of the app and account."),
    ] = "grant"
    revoke_by_used: Annotated[
        bool, Field(description="Whether a refresh token that was used before can revoke; else it counts as unknown.")
    ] = True
    revoke_gone: Annotated[
        Literal[200, 400, 401, 404] | None,
        Field(
            description="The status for a token that is unknown or has ended; null: what the entry says, else 200, and"
            " 401 for a bearer."
        ),
    ] = None

    @classmethod
    def of(cls, dialect: Dialect) -> Settings:
        """What the catalogue entry says, else the defaults."""
        start: dict[str, Any] = {
            "refresh": dialect.refresh,
            "refresh_grace": dialect.refresh_grace,
            "refresh_idle": dialect.refresh_expires,
            "reuse": dialect.reuse,
        }
        if dialect.revocation:
            start["revoke_ends"] = dialect.revocation.ends
        return cls.model_validate(start)

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """Raises pydantic.ValidationError, which names the member."""
        return Settings.model_validate({**self.model_dump(), **changes})


FLOW_SETTINGS = frozenset(Settings.model_fields) - {"decision"}
"""Those that can be set for one account or one flow."""


class SettingError(ValueError):
    """A setting that doesn't exist, or has a wrong value: its name, and what is wrong."""


def read_settings(texts: Mapping[str, str]) -> dict[str, Any]:
    """Settings that are not JSON but text, such as `30`, `refused` or `null`. Raises SettingError."""
    if unknown := texts.keys() - Settings.model_fields.keys():
        raise SettingError(f"{min(unknown)} is not a setting of the sandbox")
    try:
        settings = Settings().changed({name: _value(text) for name, text in texts.items()})
    except ValidationError as error:
        raise SettingError(what_is_wrong(error)) from None
    return settings.model_dump(include=set(texts))


def read_flow(query: Mapping[str, str]) -> dict[str, Any]:
    """The settings for one flow, in the query of its authorization request: `access_life=2&reuse=refused`. Parameters
    that are no settings are ignored. Raises SettingError."""
    return read_settings({name: text for name, text in query.items() if name in FLOW_SETTINGS})


def what_is_wrong(error: ValidationError) -> str:
    """The name of the first wrong member, and what is wrong with it."""
    fault = error.errors(include_url=False)[0]
    names = [str(part) for part in fault["loc"]]
    return f"{names[-1] if names else 'the body'} is not valid: {fault['msg']}"


def _value(text: str) -> Any:
    """JSON; what is none is text, so that it needs no quotation marks."""
    try:
        return json.loads(text)
    except ValueError:
        return text
