"""How a REST route is served: what is refused before the body is read, and what becomes of data and problems."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.routing import Route

from resolvers.caller import Caller
from resolvers.context import Context
from resolvers.errors import InvalidToken
from rest.endpoint import RestEndpoint, rest_routes
from rest.json_http import Request, from_body, from_query
from rest.json_schemas import record
from rest.routes import ROUTES, RestRoute, Success
from schema.execution import Executor
from tests.rest.requests import Sent, scope_of
from tests.schema.contexts import ALICE, public_context

DOCUMENTS = {
    "ListProviders": "query ListProviders { providers { slug } }",
    "ReadProvider": "query ReadProvider($slug: String!) { provider(slug: $slug) { slug } }",
    "ReadBoth": 'query ReadBoth($slug: String!) { provider(slug: $slug) { slug } other: provider(slug: "x") { slug } }',
    "Authorize": "mutation Authorize($input: AuthorizeConnectionInput!) { authorizeConnection(input: $input) { url } }",
}
EXECUTOR = Executor(explore=False)


class Row(RestRoute):
    @property
    def document(self) -> str:
        return DOCUMENTS[self.operation]


def row(operation: str, *, status: int = 200, field: str | None = None) -> Row:
    return Row(
        method="POST" if operation == "Authorize" else "GET",
        path="/x",
        operation=operation,
        variables=from_body if operation == "Authorize" else from_query,
        summary="x",
        success=Success(status, record({}), field),
    )


def opening(caller: Caller | None) -> Callable[[Request], Awaitable[Context]]:
    async def open_context(_request: Request) -> Context:
        return public_context(caller)

    return open_context


async def serve(
    route: RestRoute,
    sent: Sent | None = None,
    *,
    caller: Caller | None = ALICE,
    open_context: Callable[[Request], Awaitable[Context]] | None = None,
    **options: Any,
) -> tuple[int, Any]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    endpoint = RestEndpoint(route, EXECUTOR, open_context or opening(caller))
    await endpoint(scope_of(method=route.method, **options), (sent or Sent()).receive, send)
    return messages[0]["status"], json.loads(messages[1]["body"])


async def test_the_data_of_the_operation_is_the_body() -> None:
    status, body = await serve(row("ReadProvider"), query="slug=oura&more=x")
    assert (status, body) == (200, {"provider": {"slug": "oura"}})
    # Or one member of it, with the status of the route.
    assert await serve(row("ReadProvider", status=201, field="provider"), query="slug=oura") == (201, {"slug": "oura"})


async def test_the_first_problem_is_the_answer_even_beside_data() -> None:
    status, body = await serve(row("ReadBoth"), query="slug=oura")
    assert (status, body["error"]) == (404, "provider_not_found")
    status, body = await serve(row("ReadProvider"))
    assert (status, body) == (400, {"error": "validation_error", "message": "slug is required."})


async def test_an_operation_that_is_open_to_everybody_needs_no_token() -> None:
    status, body = await serve(row("ListProviders"), caller=None)
    assert (status, body.keys()) == (200, {"providers"})


async def test_without_a_token_the_body_is_not_read() -> None:
    sent = Sent([b"not json"])
    assert (await serve(row("Authorize"), sent, caller=None))[0] == 401
    assert sent.read == 0
    assert (await serve(row("Authorize"), sent))[1]["error"] == "validation_error"
    assert sent.read == 1


async def test_a_request_that_is_refused_when_it_arrives() -> None:
    async def refuse(_request: Request) -> Context:
        raise InvalidToken

    sent = Sent([b"{}"])
    status, body = await serve(row("Authorize"), sent, open_context=refuse)
    assert (status, body["error"], sent.read) == (401, "invalid_token", 0)


def test_there_is_a_route_for_each_row() -> None:
    routes = rest_routes(ROUTES, EXECUTOR, opening(None))
    assert all(isinstance(route, Route) for route in routes)
    assert [(route.path, route.methods) for route in routes] == [
        ("/v1/connections/authorize", {"POST"}),
        ("/v1/connections/callback", {"POST"}),
        ("/v1/connections/{connectionId}/token", {"POST"}),
        ("/v1/connections", {"GET", "HEAD"}),
        ("/v1/connections/{connectionId}", {"DELETE"}),
    ]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_rows_of_mutations_have_a_body(route: RestRoute) -> None:
    assert route.has_body == (route.method == "POST")
    assert EXECUTOR.requires_caller(EXECUTOR.read(route.document))
