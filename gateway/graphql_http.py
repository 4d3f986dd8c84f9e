"""GraphQL over HTTP: reads a request, runs it, and answers with the media type and status of the specification.

POST takes application/json only, which a page on another origin can't send without a preflight; GET takes queries only.
Batches are refused. The caller is authenticated before the request is read, because much smaller requests are accepted
without a bearer token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.error_responses import graphql_error_response
from gateway.negotiation import GRAPHQL, HTML, JSON, preferred
from gateway.pages import Page
from resolvers.errors import InternalError, Problem, ValidationError
from rest.answers import STATUS, NotAcceptable, PersistedQueryNotSupported, encode, problem_headers
from rest.endpoint import OpenContext
from rest.reading import BODY_LIMIT, json_object, object_of, query_parameters
from schema.execution import Executor, Outcome

ANONYMOUS_BODY: Final = 16 * 1024
"""Bytes of a body without a bearer token: a document of 6 KiB, escaped as JSON, and its variables."""

_JSON_BLANKS: Final = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """A GraphQL request (GraphQL over HTTP 5.1)."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    read_only: bool


class GraphQLEndpoint:
    """`/graphql`, an ASGI app. `page` gives GraphiQL to a browser that asks for HTML, None where it is switched off."""

    def __init__(self, executor: Executor, open_context: OpenContext, page: Page | None) -> None:
        self._executor = executor
        self._open_context = open_context
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answered = await self._answered(Request(scope, receive))
        await answered(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        accept = request.headers.get("accept")
        if self._page and request.method in ("GET", "HEAD") and preferred(accept, JSON, GRAPHQL, HTML) == HTML:
            return await self._page(request)
        media = preferred(accept, JSON, GRAPHQL)
        if media is None:
            return graphql_error_response(NotAcceptable(), JSON)
        try:
            context = await self._open_context(request)
            asked = await _read(request, BODY_LIMIT if context.caller else ANONYMOUS_BODY)
        except Problem as problem:
            return graphql_error_response(problem, media)
        outcome = await self._executor.run(
            asked.query, asked.variables, context, operation_name=asked.operation_name, read_only=asked.read_only
        )
        return _answer(outcome, media)


async def _read(request: Request, most: int) -> Asked:
    """`most` is the limit for a body, in bytes. A request target has a lower one."""
    if request.method == "POST":
        return _asked(await json_object(request, most), read_only=False)
    # Clients send empty parameters as `variables=` or `variables`.
    given: dict[str, Any] = {name: value for name, value in query_parameters(request).items() if value}
    for name in ("variables", "extensions"):
        if name in given:
            given[name] = _object_or_null(given[name], name)
    return _asked(given, read_only=True)


def _object_or_null(text: str, name: str) -> dict[str, Any] | None:
    """A JSON object, or null, which is the same as nothing (GraphQL over HTTP 5.1)."""
    return None if text.strip(_JSON_BLANKS) == "null" else object_of(text.encode(), name)


def _asked(given: dict[str, Any], *, read_only: bool) -> Asked:
    query, variables = given.get("query"), given.get("variables")
    operation_name, extensions = given.get("operationName"), given.get("extensions")
    if query in (None, "") and isinstance(extensions, dict) and "persistedQuery" in extensions:
        raise PersistedQueryNotSupported
    if query is None:
        raise ValidationError("query is required.")
    if not isinstance(query, str):
        raise ValidationError("query must be a string.")
    if not isinstance(operation_name, str | None):
        raise ValidationError("operationName must be a string or null.")
    for name in ("variables", "extensions"):
        if not isinstance(given.get(name), dict | None):
            raise ValidationError(f"{name} must be an object or null.")
    # Many clients send an empty name where there is none to give.
    return Asked(query, cast("dict[str, Any] | None", variables), operation_name or None, read_only)


def _answer(outcome: Outcome, media: str) -> Response:
    body: dict[str, Any] = {}
    if outcome.failures:
        body["errors"] = [failure.formatted for failure in outcome.failures]
    if outcome.executed:
        body["data"] = outcome.data
        return _response(body, 200, media)
    return _refused(body, outcome.problem or InternalError(), media)


def _refused(body: dict[str, Any], problem: Problem, media: str) -> Response:
    """A request that was not executed. To application/json clients a bad document is a 200, as ever (6.4.1)."""
    status = STATUS[problem.code]
    if media == JSON and status == STATUS[ValidationError.code]:
        status = 200
    return _response(body, status, media, problem_headers(problem))


def _response(body: dict[str, Any], status: int, media: str, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(body), status, headers, media_type=f"{media}; charset=utf-8")
