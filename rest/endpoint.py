"""How a REST route is served: the request becomes variables, the schema runs the operation, and its data the body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from resolvers.context import Context
from resolvers.errors import InternalError, Problem, Unauthenticated
from rest.json_http import Request, Response, answer, problem_answer
from rest.routes import RestRoute, Routes
from schema.execution import Executor

OpenContext = Callable[[Request], Awaitable[Context]]
"""Makes the context of a request. Raises a Problem if the request is refused."""


def rest_routes(routes: Routes, executor: Executor, open_context: OpenContext) -> list[Route]:
    return [Route(row.path, RestEndpoint(row, executor, open_context), methods=[row.method]) for row in routes]


class RestEndpoint:
    """Serves one route as an ASGI app."""

    def __init__(self, route: RestRoute, executor: Executor, open_context: OpenContext) -> None:
        self._route = route
        self._executor = executor
        self._open_context = open_context
        self._document = executor.read(route.document)
        self._members = executor.members(self._document)
        self._requires_caller = executor.requires_caller(self._document)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(Request(scope, receive, dict(scope["headers"])))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        route = self._route
        try:
            context = await self._open_context(request)
            if self._requires_caller and context.caller is None:
                # The schema would raise the same error, but only after the body has been read.
                raise Unauthenticated
            variables = await route.variables(request, self._members)
            outcome = await self._executor.run(self._document, variables, context)
        except Problem as problem:
            return problem_answer(problem)
        if outcome.failures or outcome.data is None:
            return problem_answer(outcome.problem or InternalError())
        success = route.success
        return answer(outcome.data if success.field is None else outcome.data[success.field], success.status)
