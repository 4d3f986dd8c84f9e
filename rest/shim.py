"""A REST call, translated: request to variables, the operation through the schema, data to body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from resolvers.context import Context
from resolvers.errors import InternalError, Problem, Unauthenticated
from rest.answers import answer, problem_answer
from rest.routes import ROUTES, RestRoute
from schema.execution import Executor

OpenContext = Callable[[Request], Awaitable[Context]]


def rest_routes(executor: Executor, open_context: OpenContext) -> list[Route]:
    """Every row of the route table, ready to mount."""
    return [Route(row.path, RestEndpoint(row, executor, open_context), methods=[row.method]) for row in ROUTES]


class RestEndpoint:
    """One row of the table as an ASGI app."""

    def __init__(self, row: RestRoute, executor: Executor, open_context: OpenContext) -> None:
        self._row = row
        self._executor = executor
        self._open_context = open_context
        self._document = executor.read(row.document)
        self._members = executor.members(self._document)
        self._wants_caller = executor.wants_caller(self._document)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answered = await self._answer(Request(scope, receive))
        await answered(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        row = self._row
        try:
            context = await self._open_context(request)
            if self._wants_caller and context.caller is None:
                # Before the request is read. The schema would raise the same error.
                raise Unauthenticated
            variables = await row.variables(request, self._members)
            outcome = await self._executor.run(self._document, variables, context)
        except Problem as problem:
            return problem_answer(problem)
        if outcome.problem or outcome.data is None:
            return problem_answer(outcome.problem or InternalError())
        return answer(outcome.data if row.member is None else outcome.data[row.member], row.status)
