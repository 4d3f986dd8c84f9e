"""The route table. A row is a route: its operation document in `operations/`, where the variables come from, and what
of the operation's data is the body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request

from rest.reading import json_object, parameters

Members = Collection[str]

_OPERATIONS: Final = Path(__file__).parent / "operations"


async def from_body(request: Request, members: Members) -> dict[str, Any]:
    """The body becomes the variable `input`. Members that the input does not have are ignored: the published schema
    is open."""
    body = await json_object(request)
    return {"input": {name: value for name, value in body.items() if name in members}}


async def from_query(request: Request, members: Members) -> dict[str, Any]:
    """The query's parameters become the variables of the same names."""
    return {name: value for name, value in parameters(request).items() if name in members}


@dataclass(frozen=True, slots=True)
class RestRoute:
    """`member` names the part of `data` that is the body, None all of it; `status` is what success answers."""

    method: str
    path: str
    operation: str
    variables: Callable[[Request, Members], Awaitable[dict[str, Any]]]
    member: str | None
    status: int

    @property
    def document(self) -> str:
        return (_OPERATIONS / f"{self.operation}.graphql").read_text(encoding="utf-8")


ROUTES: Final = (
    RestRoute("POST", "/v1/connections/authorize", "AuthorizeConnection", from_body, "authorizeConnection", 200),
    RestRoute("POST", "/v1/connections/callback", "CompleteConnection", from_body, "completeConnection", 201),
    RestRoute("GET", "/v1/connections", "ListConnections", from_query, None, 200),
)
