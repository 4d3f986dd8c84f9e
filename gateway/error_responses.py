"""Error responses of the gateway itself, in the format of the interface that was called: REST or GraphQL."""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from gateway.negotiation import GRAPHQL, JSON, preferred
from resolvers.errors import Problem, ServiceUnavailable
from rest.json_http import STATUS, Field, Response, encode, problem_answer, problem_headers
from schema.execution import Failure

GRAPHQL_PATH: Final = "/graphql"
CONTENT_TYPES: Final[dict[str, Field]] = {
    media: (b"content-type", f"{media}; charset=utf-8".encode()) for media in (JSON, GRAPHQL)
}
"""The field of a response from `/graphql`, by media type."""


def error_response(problem: Problem, scope: Scope) -> Response:
    """By the path of the request, and its Accept header."""
    media = _media_type(scope)
    return problem_answer(problem) if media is None else graphql_error_response(problem, media)


def graphql_error_response(problem: Problem, media: str) -> Response:
    """Has the status of the problem whatever the media type, since nothing was executed (GraphQL over HTTP 6)."""
    body = encode({"errors": [Failure(problem).formatted]})
    return Response(STATUS[problem.code], body, (CONTENT_TYPES[media], *problem_headers(problem)))


def overloaded_response(scope: Scope) -> Response:
    """503 with Retry-After, built in advance: it is sent when there is least time for it."""
    return OVERLOADED[_media_type(scope)]


def _media_type(scope: Scope) -> str | None:
    """The media type that a GraphQL client accepts; None for REST."""
    if scope["path"] != GRAPHQL_PATH:
        return None
    accept = dict(scope["headers"]).get(b"accept", b"")
    return preferred(accept.decode("latin-1"), JSON, GRAPHQL) or JSON


_OVERLOAD: Final = ServiceUnavailable("The service is overloaded. Try again shortly.")
OVERLOADED: Final[dict[str | None, Response]] = {
    None: problem_answer(_OVERLOAD),
    **{media: graphql_error_response(_OVERLOAD, media) for media in (JSON, GRAPHQL)},
}
"""By media type; None for REST."""
