"""GraphQL over HTTP: reads a request, executes it, and responds with the media type and status that the specification
requires.

POST accepts application/json only, which a page on another origin can't send without a preflight request; GET accepts
queries only. Batches are refused. The caller is authenticated before the body is read, because without a bearer token
only a much smaller body is accepted.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.error_responses import CONTENT_TYPES, graphql_error_response
from gateway.negotiation import GRAPHQL, HTML, JSON, preferred
from resolvers.errors import InternalError, Problem, ValidationError
from rest.endpoint import OpenContext
from rest.json_http import (
    BODY_LIMIT,
    STATUS,
    NotAcceptable,
    PersistedQueryNotSupported,
    Request,
    Response,
    encode,
    json_object,
    object_of,
    problem_headers,
    query_parameters,
)
from schema.execution import Executor, Outcome

ANONYMOUS_BODY: Final = 16 * 1024
"""Limit of a body without a bearer token, in bytes: room for a document of 6 KiB, escaped as JSON, and variables."""

_JSON_BLANKS: Final = " \t\r\n"


class GraphQLRequest(msgspec.Struct, frozen=True):
    """A GraphQL request (GraphQL over HTTP 5.1)."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    read_only: bool


class GraphQLEndpoint:
    """`/graphql`, an ASGI app. `page` is GraphiQL, for browsers that ask for HTML; None where it is switched off."""

    def __init__(self, executor: Executor, open_context: OpenContext, page: ASGIApp | None) -> None:
        self._executor = executor
        self._open_context = open_context
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(Request(scope, receive, dict(scope["headers"])))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> ASGIApp:
        accept = request.fields.get(b"accept", b"").decode("latin-1")
        method = request.scope["method"]
        if self._page and method in ("GET", "HEAD") and preferred(accept, JSON, GRAPHQL, HTML) == HTML:
            return self._page
        media = preferred(accept, JSON, GRAPHQL)
        if media is None:
            return graphql_error_response(NotAcceptable(), JSON)
        try:
            context = await self._open_context(request)
            graphql = await _read(request, BODY_LIMIT if context.caller else ANONYMOUS_BODY)
        except Problem as problem:
            return graphql_error_response(problem, media)
        outcome = await self._executor.run(
            graphql.query,
            graphql.variables,
            context,
            operation_name=graphql.operation_name,
            read_only=graphql.read_only,
        )
        return _response(outcome, media)


async def _read(request: Request, body_limit: int) -> GraphQLRequest:
    """`body_limit` is in bytes. The URL of a GET request has a lower limit."""
    if request.scope["method"] == "POST":
        return _validated(await json_object(request, body_limit), read_only=False)
    # Clients send empty parameters as `variables=` or `variables`.
    members: dict[str, Any] = {name: value for name, value in query_parameters(request).items() if value}
    for name in ("variables", "extensions"):
        if name in members:
            members[name] = _object_or_null(members[name], name)
    return _validated(members, read_only=True)


def _object_or_null(text: str, name: str) -> dict[str, Any] | None:
    """A JSON object, or null, which means the same as leaving it out (GraphQL over HTTP 5.1)."""
    return None if text.strip(_JSON_BLANKS) == "null" else object_of(text.encode(), name)


def _validated(members: dict[str, Any], *, read_only: bool) -> GraphQLRequest:
    query, variables = members.get("query"), members.get("variables")
    operation_name, extensions = members.get("operationName"), members.get("extensions")
    if query in (None, "") and isinstance(extensions, dict) and "persistedQuery" in extensions:
        raise PersistedQueryNotSupported
    if query is None:
        raise ValidationError("query is required.")
    if not isinstance(query, str):
        raise ValidationError("query must be a string.")
    if not isinstance(operation_name, str | None):
        raise ValidationError("operationName must be a string or null.")
    for name in ("variables", "extensions"):
        if not isinstance(members.get(name), dict | None):
            raise ValidationError(f"{name} must be an object or null.")
    # Many clients send an empty name instead of none.
    return GraphQLRequest(query, cast("dict[str, Any] | None", variables), operation_name or None, read_only)


def _response(outcome: Outcome, media: str) -> Response:
    body: dict[str, Any] = {}
    if outcome.failures:
        body["errors"] = [failure.formatted for failure in outcome.failures]
    if outcome.executed:
        body["data"] = outcome.data
        return Response(200, encode(body), (CONTENT_TYPES[media],))
    return _not_executed(body, outcome.problem or InternalError(), media)


def _not_executed(body: dict[str, Any], problem: Problem, media: str) -> Response:
    """The response to a request that was not executed. For application/json, an invalid document has the status 200
    (GraphQL over HTTP 6.4.1)."""
    status = STATUS[problem.code]
    if media == JSON and status == STATUS[ValidationError.code]:
        status = 200
    return Response(status, encode(body), (CONTENT_TYPES[media], *problem_headers(problem)))
