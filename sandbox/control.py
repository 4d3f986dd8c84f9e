"""The control API under `/_control/`, for scripts to inspect and control the provider. JSON in, JSON out.

| call                 | does                                                                                          |
|----------------------|-----------------------------------------------------------------------------------------------|
| GET, DELETE calls    | every call so far, in order, filtered by ?slug=, ?endpoint=, ?code= / forget them           |
| GET, DELETE faults   | {"names", "planned"} / clear the plan                                                         |
| POST faults          | {"slug", "endpoint", "fault", "times": 1 (null: until cleared), "seconds"}                    |
|                      | with "answer": {"status": 200, "headers", "body" or "base64"} for "fault", sends that answer  |
| GET tokens           | every token with its value, kind, state, slug, client_id, family, account, scope, expires_at  |
| POST accepts         | {"access_token"}: {"accepts": whether the provider would take it now}                         |
| GET, PUT settings    | by slug / {"slug" (left out: all), "decision", "scope_in_answer", "code_life", "access_life"} |
| POST reset           | restore the initial state                                                                     |
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox import responses
from sandbox.authorization_endpoint import APPROVE, DENY
from sandbox.faults import FAULTS
from sandbox.instruction import Instruction, InstructionError
from sandbox.provider import SCRIPTED, CallLog, FaultPlan, PlannedFault, Provider, ScriptedAnswer
from sandbox.token_store import Token, TokenStore

# A page could give this machine a name of its own (DNS rebinding); what is told here is for its owner only.
_OUR_NAMES = ("127.0.0.1", "localhost", "::1")

ENDPOINTS = ("token", "account", "authorize", "revoke")


class Control:
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
            Route("/calls", _told(self._list_calls, _query)),
            Route("/calls", _told(self._forget_calls), methods=["DELETE"]),
            Route("/faults", _told(self._list_faults)),
            Route("/faults", _told(self._plan_fault), methods=["POST"]),
            Route("/faults", _told(self._forget_faults), methods=["DELETE"]),
            Route("/tokens", _told(self._list_tokens)),
            Route("/accepts", _told(self._accepts), methods=["POST"]),
            Route("/settings", _told(self._list_settings)),
            Route("/settings", _told(self._change_settings), methods=["PUT"]),
            Route("/reset", _told(self._reset), methods=["POST"]),
        ]

    def _list_calls(self, wanted: Mapping[str, str]) -> Any:
        if unknown := wanted.keys() - {"slug", "endpoint", "code"}:
            raise InstructionError(min(unknown), "is nothing that calls are listed by")
        return self._calls.listing(wanted)

    def _forget_calls(self, _body: bytes) -> None:
        self._calls.clear()

    def _list_faults(self, _body: bytes) -> Any:
        return {"names": list(FAULTS), "planned": self._faults.listing()}

    def _plan_fault(self, body: bytes) -> None:
        asked = Instruction.read(body)
        planned = PlannedFault(
            slug=asked.one_of("slug", self._providers),
            endpoint=asked.one_of("endpoint", ENDPOINTS) if "endpoint" in asked else "token",
            fault=SCRIPTED if "answer" in asked else asked.one_of("fault", FAULTS),
            times=asked.count("times") if "times" in asked else 1,
            seconds=asked.seconds("seconds"),
            answer=_scripted(asked.inner("answer")) if "answer" in asked else None,
        )
        asked.nothing_else()
        self._faults.add(planned)

    def _forget_faults(self, _body: bytes) -> None:
        self._faults.clear()

    def _list_tokens(self, _body: bytes) -> Any:
        return [_row(token) for token in self._tokens.tokens.values()]

    def _accepts(self, body: bytes) -> Any:
        asked = Instruction.read(body)
        access_token = asked.text("access_token")
        asked.nothing_else()
        return {"accepts": self._tokens.accepts(access_token)}

    def _list_settings(self, _body: bytes) -> Any:
        return {slug: asdict(provider.settings) for slug, provider in self._providers.items()}

    def _change_settings(self, body: bytes) -> Any:
        asked = Instruction.read(body)
        slugs = [asked.one_of("slug", self._providers)] if "slug" in asked else list(self._providers)
        readers: dict[str, Callable[[str], Any]] = {
            "decision": lambda name: asked.one_of(name, (APPROVE, DENY, None)),
            "scope_in_answer": asked.flag,
            "code_life": asked.life,
            "access_life": asked.life,
        }
        changed = {name: read(name) for name, read in readers.items() if name in asked}
        asked.nothing_else()
        for slug in slugs:
            self._providers[slug].settings = replace(self._providers[slug].settings, **changed)
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


def _told(
    act: Callable[[Any], Any], read: Callable[[Request], Awaitable[Any]] = _body
) -> Callable[[Request], Awaitable[Response]]:
    """A route that answers with what `act` makes of what is read, 204 for nothing, 400 for an unclear instruction."""

    async def endpoint(request: Request) -> Response:
        if refused := _from_elsewhere(request):
            return refused
        try:
            result = act(await read(request))
        except InstructionError as unclear:
            return responses.document({"error": "invalid_request", "error_description": str(unclear)}, 400)
        return responses.empty() if result is None else responses.document(result)

    return endpoint


def _from_elsewhere(request: Request) -> Response | None:
    """Refuse what a page of another site could send: by another name for this machine, with a strange Origin, or with
    a body that a form can make."""
    if request.url.hostname not in _OUR_NAMES:
        return responses.document({"error": "forbidden_host"}, 403)
    origin = request.headers.get("origin")
    if origin not in (None, f"{request.url.scheme}://{request.headers.get('host')}"):
        return responses.document({"error": "forbidden_origin"}, 403)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method in ("POST", "PUT") and media_type != "application/json":
        return responses.document({"error": "send application/json"}, 415)
    return None


def _scripted(asked: Instruction) -> ScriptedAnswer:
    answer = ScriptedAnswer(
        status=asked.count("status") or 200,
        headers=asked.texts("headers") if "headers" in asked else {},
        body=asked.base64("base64") if "base64" in asked else asked.text("body").encode(),
    )
    asked.nothing_else()
    return answer


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
