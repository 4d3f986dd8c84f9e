"""The format of the gateway's own errors: by the path, and for GraphQL by the Accept header."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.error_responses import error_response, graphql_error_response, overloaded_response
from resolvers.errors import Problem, ServiceUnavailable, ValidationError
from rest.json_http import Response

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"


def scope(path: str, accept: str | None = None) -> dict[str, Any]:
    return {"type": "http", "path": path, "headers": [] if accept is None else [(b"accept", accept.encode())]}


@pytest.mark.parametrize(
    ("path", "accept", "media"),
    [
        ("/graphql", None, f"{JSON}; charset=utf-8"),
        ("/graphql", "*/*", f"{JSON}; charset=utf-8"),
        ("/graphql", GRAPHQL, f"{GRAPHQL}; charset=utf-8"),
        ("/graphql", f"{JSON};q=0.5, {GRAPHQL}", f"{GRAPHQL}; charset=utf-8"),
        ("/graphql", "text/html", f"{JSON}; charset=utf-8"),
        ("/graphql/", GRAPHQL, JSON),
        ("/v1/connections", GRAPHQL, JSON),
    ],
)
def test_the_media_type(path: str, accept: str | None, media: str) -> None:
    for response in (
        error_response(ServiceUnavailable(), scope(path, accept)),
        overloaded_response(scope(path, accept)),
    ):
        assert response.status == 503
        assert dict(response.headers)[b"content-type"] == media.encode()
        assert ("errors" in body(response)) == (path == "/graphql")


def body(response: Response) -> Any:
    return json.loads(response.body)


@pytest.mark.parametrize(
    ("problem", "status"), [(ValidationError("no"), 400), (ServiceUnavailable(retry_after=7), 503)]
)
def test_both_formats_say_the_same(problem: Problem, status: int) -> None:
    rest = error_response(problem, scope("/v1/connections"))
    graphql = graphql_error_response(problem, GRAPHQL)
    assert rest.status == graphql.status == status
    waits = [dict(response.headers).get(b"retry-after") for response in (rest, graphql)]
    assert waits == [b"7" if status == 503 else None] * 2
    [error] = body(graphql)["errors"]
    assert error["message"] == body(rest)["message"]
    assert error["extensions"]["code"] == body(rest)["error"].upper()


def test_an_overload_is_said_to_be_one() -> None:
    response = overloaded_response(scope("/v1/connections"))
    assert body(response) == {
        "error": "service_unavailable",
        "message": "The service is overloaded. Try again shortly.",
    }
    assert dict(response.headers)[b"retry-after"] == b"1"
