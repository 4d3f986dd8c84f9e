"""What the control API accepts."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.control.http import ControlError
from sandbox.fault_plan import ScriptedAnswer
from sandbox.settings import FLOW_SETTINGS, Seconds, Settings

Slug = Annotated[str, Field(description="The provider's slug in the catalogue.")]
Site = Annotated[str, Field(description="One of the provider's sites; all, if left out.")]
Account = Annotated[str, Field(description="The user's account at the provider.")]
Endpoint = Literal["token", "account", "granted", "after_exchange", "api", "authorize", "revoke"]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Answer(_Body):
    """An answer to send instead of the correct one, with either `body` or `base64`."""

    status: Annotated[int, Field(ge=1)] | None = None
    headers: dict[str, str] = {}
    body: str | None = None
    base64: str | None = None

    def scripted(self) -> ScriptedAnswer:
        if (self.body is None) == (self.base64 is None):
            raise ControlError("body", "or base64 must be present, but not both")
        try:
            body = self.body.encode() if self.body is not None else base64.b64decode(self.base64 or "", validate=True)
        except ValueError:
            raise ControlError("base64", "must be base64") from None
        return ScriptedAnswer(self.status or 200, self.headers, body)


class Fault(_Body):
    """POST faults: the calls that it is for, and either `fault` or `answer`."""

    slug: Slug
    site: Site | None = None
    endpoint: Endpoint = "token"
    grant_type: Annotated[
        Literal["authorization_code", "refresh_token"] | None, Field(description="Only token requests of this type.")
    ] = None
    account: Annotated[str | None, Field(description="Only calls whose token or code is of this account.")] = None
    skip: Annotated[int, Field(ge=0, description="So many of these calls are answered correctly first.")] = 0
    times: Annotated[int, Field(ge=1)] | None = Field(1, description="So many get the fault; null: until cleared.")
    fault: Annotated[str | None, Field(description="Its name: see `names` of GET faults.")] = None
    seconds: Annotated[Seconds | None, Field(description="For faults that wait, or say how long to wait.")] = None
    row: Annotated[int, Field(ge=0, description="For `entry_error`: the row of the entry's errors, from 0.")] = 0
    answer: Annotated[Answer | None, Field(description="Is sent unchanged; the call is not processed.")] = None


class Release(_Body):
    """POST release: which of the held calls; all members are optional."""

    slug: Slug | None = None
    site: Site | None = None
    endpoint: Endpoint | None = None
    account: Account | None = None
    seq: Annotated[int | None, Field(description="The number of one call in the log.")] = None


class Accepts(_Body):
    """POST accepts."""

    access_token: str


class Grants(_Body):
    """Which grants or family: those of a provider, of one of its accounts, or one by number."""

    slug: Slug
    site: Site | None = None
    account: Account | None = None
    grant: int | None = None
    family: int | None = None


class Narrow(Grants):
    """POST grants/narrow."""

    scope: Annotated[list[str], Field(description="What remains; other scopes are withdrawn, none is added.")]


def settings_schema() -> dict[str, Any]:
    """PUT settings: `slug`, `site` and `account`, and any of the settings."""
    schema = Settings.model_json_schema()
    schema["properties"] = {
        "slug": {"type": "string", "description": "One provider; all, if left out."},
        "site": {"type": "string", "description": "One of its sites; all, if left out."},
        "account": {"type": "string", "description": f"One account. For {', '.join(sorted(FLOW_SETTINGS))}."},
        **schema["properties"],
    }
    return schema


def schemas() -> dict[str, Any]:
    """JSON Schema of each body, by the call that takes it."""
    bodies = {
        "POST faults": Fault,
        "POST release": Release,
        "POST accepts": Accepts,
        "POST grants/end": Grants,
        "POST grants/narrow": Narrow,
    }
    return {call: body.model_json_schema() for call, body in bodies.items()} | {"PUT settings": settings_schema()}
