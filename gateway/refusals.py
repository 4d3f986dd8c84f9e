"""What a request is told that is stopped before anything ran, in the form of the interface that it came to."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from gateway.negotiation import GRAPHQL, JSON, preferred
from resolvers.errors import Problem
from rest.answers import encode, problem_answer, problem_headers
from rest.problems import STATUS
from schema.execution import Failure

GRAPHQL_PATH: Final = "/graphql"


def refusal(problem: Problem, scope: Scope) -> Response:
    """By the address of the request, and its Accept header."""
    media = media_of(scope)
    return problem_answer(problem) if media is None else graphql_refusal(problem, media)


def media_of(scope: Scope) -> str | None:
    """The media type that a GraphQL client takes; None for REST."""
    if scope["path"] != GRAPHQL_PATH:
        return None
    return preferred(Headers(scope=scope).get("accept"), JSON, GRAPHQL) or JSON


def graphql_refusal(problem: Problem, media: str) -> Response:
    """The status says it whatever the media type (GraphQL over HTTP 6)."""
    body = encode({"errors": [Failure(problem).formatted]})
    return Response(body, STATUS[problem.code], problem_headers(problem), media_type=f"{media}; charset=utf-8")
