"""A REST call, translated: request to variables, the operation through the schema, data to body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resolvers.context import Context
from resolvers.errors import InternalError, Problem
from rest.answers import answer, problem_answer
from rest.routes import ROUTES, RestRoute
from schema.execution import Executor

OpenContext = Callable[[Request], Awaitable[Context]]


def rest_routes(executor: Executor, open_context: OpenContext) -> list[Route]:
    """Every row of the route table, ready to mount."""
    return [Route(row.path, _endpoint(row, executor, open_context), methods=[row.method]) for row in ROUTES]


def _endpoint(
    row: RestRoute, executor: Executor, open_context: OpenContext
) -> Callable[[Request], Awaitable[Response]]:
    document = executor.read(row.document)
    members = executor.members(document)

    async def endpoint(request: Request) -> Response:
        try:
            context = await open_context(request)
            outcome = await executor.run(document, await row.variables(request, members), context)
        except Problem as problem:
            return problem_answer(problem)
        if outcome.problem or outcome.data is None:
            return problem_answer(outcome.problem or InternalError())
        return answer(_body(row, outcome.data), row.status)

    return endpoint


def _body(row: RestRoute, data: dict[str, Any]) -> Any:
    return data if row.member is None else data[row.member]
