"""Answers as bytes: the one JSON writer of both interfaces, and a problem's status, headers and REST body."""

from __future__ import annotations

import json
from typing import Any, Final

from starlette.responses import Response

from resolvers.errors import InsufficientScope, InvalidToken, Problem, Unauthenticated
from rest.problems import STATUS, MethodNotAllowed
from schema.execution import QueriesOnly

JSON: Final = "application/json"


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def answer(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, media_type=JSON)


def problem_answer(problem: Problem) -> Response:
    """The REST body of a problem: `{"error": code in lower case, "message": …}`."""
    body = {"error": problem.code.lower(), "message": problem.message}
    return Response(encode(body), STATUS[problem.code], problem_headers(problem), media_type=JSON)


def problem_headers(problem: Problem) -> dict[str, str]:  # noqa: PLR0911 - one for each kind
    """What HTTP and RFC 6750 3 want beside the body."""
    match problem:
        case Unauthenticated():
            return {"WWW-Authenticate": 'Bearer realm="tendon"'}
        case InvalidToken():
            return {"WWW-Authenticate": 'Bearer realm="tendon", error="invalid_token"'}
        case InsufficientScope():
            return {"WWW-Authenticate": f'Bearer realm="tendon", error="insufficient_scope", scope="{problem.scope}"'}
        case QueriesOnly():
            return {"Allow": "POST"}
        case MethodNotAllowed():
            return {"Allow": problem.allow}
        case Problem(retry_after=int(seconds)):
            return {"Retry-After": str(seconds)}
        case _:
            return {}
