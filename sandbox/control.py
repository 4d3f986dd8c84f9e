"""The control API under `/_control/`, with which scripts inspect and control the provider. JSON in, JSON out.

| call                 | does                                                                                          |
|----------------------|-----------------------------------------------------------------------------------------------|
| GET, DELETE calls    | lists all calls in order, filtered by ?slug=, ?endpoint=, ?code= / clears the log             |
| GET, DELETE faults   | {"names", "planned"} / clears the plan                                                        |
| POST faults          | {"slug", "endpoint", "fault", "times": 1 (null: until cleared), "seconds"}                    |
|                      | with "answer": {"status": 200, "headers", "body" or "base64"} for "fault", sends that answer  |
| GET tokens           | every token with its value, kind, state, slug, client_id, family, account, scope, expires_at  |
| POST accepts         | {"access_token"}: {"accepts": whether the provider would accept it now}                       |
| GET, PUT settings    | by slug / {"slug" (left out: all), "decision", "scope_in_answer", "code_life", "access_life"} |
| POST reset           | restores the initial state                                                                    |
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox import responses
from sandbox.faults import FAULTS
from sandbox.provider import SCRIPTED, CallLog, FaultPlan, PlannedFault, Provider, ScriptedAnswer
from sandbox.token_store import Token, TokenStore

# A web page could give this machine a host name of its own (DNS rebinding); the control API is for its owner only.
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")

_Seconds = Annotated[float, Field(ge=0, le=10**9, allow_inf_nan=False)]
_Body = TypeVar("_Body", bound="_ControlBody")


class ControlError(ValueError):
    """What is wrong with a request: the name of a member, and what it must be."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"{name} {rule}")


class _ControlBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Answer(_ControlBody):
    status: Annotated[int, Field(ge=1)] | None = None
    headers: dict[str, str] = {}
    body: str | None = None
    base64: str | None = None


class _Fault(_ControlBody):
    slug: str
    endpoint: Literal["token", "account", "authorize", "revoke"] = "token"
    fault: str | None = None
    times: Annotated[int, Field(ge=1)] | None = 1
    seconds: _Seconds | None = None
    answer: _Answer | None = None


class _Accepts(_ControlBody):
    access_token: str


class _Settings(_ControlBody):
    """Only members that are present change something."""

    slug: str = ""
    decision: Literal["approve", "deny"] | None = None
    scope_in_answer: bool = True
    code_life: _Seconds = 0
    access_life: _Seconds = 0


class Control:
    """The routes of the control API."""

    def __init__(
        self, providers: Mapping[str, Provider], tokens: TokenStore, calls: CallLog, faults: FaultPlan
    ) -> None:
        self._providers = providers
        self._tokens = tokens
        self._calls = calls
        self._faults = faults
        self._start = {slug: replace(provider.settings) for slug, provider in providers.items()}

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/calls", _endpoint(self._list_calls, _query)),
            Route("/calls", _endpoint(self._clear_calls), methods=["DELETE"]),
            Route("/faults", _endpoint(self._list_faults)),
            Route("/faults", _endpoint(self._plan_fault), methods=["POST"]),
            Route("/faults", _endpoint(self._clear_faults), methods=["DELETE"]),
            Route("/tokens", _endpoint(self._list_tokens)),
            Route("/accepts", _endpoint(self._accepts), methods=["POST"]),
            Route("/settings", _endpoint(self._list_settings)),
            Route("/settings", _endpoint(self._change_settings), methods=["PUT"]),
            Route("/reset", _endpoint(self._reset), methods=["POST"]),
        ]

    def _list_calls(self, filters: Mapping[str, str]) -> Any:
        if unknown := filters.keys() - {"slug", "endpoint", "code"}:
            raise ControlError(min(unknown), "is not a filter")
        return self._calls.listing(filters)

    def _clear_calls(self, _body: bytes) -> None:
        self._calls.clear()

    def _list_faults(self, _body: bytes) -> Any:
        return {"names": list(FAULTS), "planned": self._faults.listing()}

    def _plan_fault(self, body: bytes) -> None:
        fault = _read(_Fault, body)
        planned = PlannedFault(
            slug=_known("slug", fault.slug, self._providers),
            endpoint=fault.endpoint,
            fault=_known("fault", fault.fault, FAULTS) if fault.answer is None else SCRIPTED,
            times=fault.times,
            seconds=fault.seconds,
            answer=None if fault.answer is None else _scripted(fault.answer),
        )
        if fault.answer is not None and fault.fault is not None:
            raise ControlError("fault", "must be absent if there is an answer")
        self._faults.add(planned)

    def _clear_faults(self, _body: bytes) -> None:
        self._faults.clear()

    def _list_tokens(self, _body: bytes) -> Any:
        return [_row(token) for token in self._tokens.tokens.values()]

    def _accepts(self, body: bytes) -> Any:
        return {"accepts": self._tokens.accepts(_read(_Accepts, body).access_token)}

    def _list_settings(self, _body: bytes) -> Any:
        return {slug: asdict(provider.settings) for slug, provider in self._providers.items()}

    def _change_settings(self, body: bytes) -> Any:
        changes = _read(_Settings, body).model_dump(exclude_unset=True)
        slugs = [_known("slug", changes.pop("slug"), self._providers)] if "slug" in changes else list(self._providers)
        for slug in slugs:
            self._providers[slug].settings = replace(self._providers[slug].settings, **changes)
        return self._list_settings(body)

    def _reset(self, _body: bytes) -> None:
        self._tokens.clear()
        self._calls.clear()
        self._faults.clear()
        for slug, settings in self._start.items():
            self._providers[slug].settings = replace(settings)


async def _body(request: Request) -> bytes:
    return await request.body()


async def _query(request: Request) -> Mapping[str, str]:
    return request.query_params


def _endpoint(
    act: Callable[[Any], Any], read: Callable[[Request], Awaitable[Any]] = _body
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that responds with the result of `act` as JSON, with 204 if it is None, and with 400 for a
    ControlError."""

    async def endpoint(request: Request) -> Response:
        if error := _cross_site(request):
            return error
        try:
            result = act(await read(request))
        except ControlError as error:
            return responses.document({"error": "invalid_request", "error_description": str(error)}, 400)
        return responses.empty() if result is None else responses.document(result)

    return endpoint


def _cross_site(request: Request) -> Response | None:
    """An error response if the request could come from a web page of another site; None if it could not.

    It could, if it names another host, has another Origin, or has a body that is not JSON, as HTML forms send it.
    """
    if request.url.hostname not in _LOOPBACK_NAMES:
        return responses.document({"error": "forbidden_host"}, 403)
    origin = request.headers.get("origin")
    if origin not in (None, f"{request.url.scheme}://{request.headers.get('host')}"):
        return responses.document({"error": "forbidden_origin"}, 403)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method in ("POST", "PUT") and media_type != "application/json":
        return responses.document({"error": "send application/json"}, 415)
    return None


def _read(model: type[_Body], body: bytes) -> _Body:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        names = [str(part) for part in fault["loc"]]
        raise ControlError(names[-1] if names else "the body", f"is not valid: {fault['msg']}") from None


def _known(name: str, value: str | None, choices: Container[str]) -> str:
    if value is None or value not in choices:
        raise ControlError(name, "is unknown")
    return value


def _scripted(answer: _Answer) -> ScriptedAnswer:
    if (answer.body is None) == (answer.base64 is None):
        raise ControlError("body", "or base64 must be present, but not both")
    try:
        body = answer.body.encode() if answer.body is not None else base64.b64decode(answer.base64 or "", validate=True)
    except ValueError:
        raise ControlError("base64", "must be base64") from None
    return ScriptedAnswer(answer.status or 200, answer.headers, body)


def _row(token: Token) -> dict[str, Any]:
    return {
        "value": token.value,
        "kind": token.kind,
        "state": token.state,
        "slug": token.family.slug,
        "client_id": token.family.client_id,
        "family": token.family.number,
        "account": token.family.account,
        "scope": list(token.scopes),
        "expires_at": token.expires_at,
    }
