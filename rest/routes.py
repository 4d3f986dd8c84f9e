"""The REST routes, one row each. Dispatch, the access log and the OpenAPI document are made from these rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from resolvers import inputs
from rest.json_http import Request, from_body, from_optional_body, from_query, input_from_query
from rest.json_schemas import CONNECTION_ID, Schema, record, reference, text

_OPERATIONS: Final = Path(__file__).parent / "operations"


@dataclass(frozen=True, slots=True)
class Success:
    """What the route returns when its operation succeeds: the status, and the JSON Schema of the body, which is the
    operation's `data` or the member `field` of it."""

    status: int
    schema: Schema
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestRoute:
    """One route. `path` may have parameters, such as `/v1/connections/{connectionId}`.

    `operation` names its document in `operations/`. `variables` makes the operation's variables from a request, given
    the names of the members that the operation takes. `failures` are the statuses of failures beside those that every
    route has, `parameters` the JSON Schemas of the parameters in path and query, all of which are required.
    """

    method: str
    path: str
    operation: str
    variables: Callable[[Request, Collection[str]], Awaitable[dict[str, Any]]]
    summary: str
    success: Success
    failures: tuple[int, ...] = ()
    parameters: Mapping[str, Schema] = field(default_factory=dict[str, Schema])

    @property
    def document(self) -> str:
        return (_OPERATIONS / f"{self.operation}.graphql").read_text(encoding="utf-8")

    @property
    def has_body(self) -> bool:
        return self.variables in (from_body, from_optional_body)

    @property
    def requires_body(self) -> bool:
        return self.variables is from_body


Routes = Sequence[RestRoute]

ROUTES: Final[Routes] = (
    RestRoute(
        method="POST",
        path="/v1/connections/authorize",
        operation="AuthorizeConnection",
        variables=from_body,
        summary="Start a connection. Returns the URL to send the user to, which is valid for ten minutes",
        success=Success(200, reference("Authorization"), "authorizeConnection"),
        failures=(404,),
    ),
    RestRoute(
        method="POST",
        path="/v1/connections/callback",
        operation="CompleteConnection",
        variables=from_body,
        summary="Complete a connection with the parameters of the provider's redirect. Safe to retry: the same"
        " parameters return the same connection",
        success=Success(201, record({"connection": reference("Connection")}), "completeConnection"),
        failures=(404,),
    ),
    RestRoute(
        method="POST",
        path="/v1/connections/{connectionId}/token",
        operation="IssueAccessToken",
        variables=from_optional_body,
        summary="Get an access token of a connection, for a service that fetches the user's data. It is refreshed first"
        " if it expires soon",
        success=Success(200, reference("IssuedToken"), "issueAccessToken"),
        failures=(404, 409),
        parameters={"connectionId": CONNECTION_ID},
    ),
    RestRoute(
        method="GET",
        path="/v1/connections",
        operation="ListConnections",
        variables=from_query,
        summary="List a user's connections, oldest first",
        success=Success(200, record({"connections": {"type": "array", "items": reference("Connection")}})),
        parameters={"userId": text(inputs.USER)},
    ),
    RestRoute(
        method="DELETE",
        path="/v1/connections/{connectionId}",
        operation="DisconnectConnection",
        variables=input_from_query,
        summary="Disconnect a connection: its tokens are erased, and the provider is asked to revoke them. Safe to"
        " retry",
        success=Success(200, record({"success": {"type": "boolean"}}), "disconnectConnection"),
        failures=(404,),
        parameters={"connectionId": CONNECTION_ID, "userId": text(inputs.USER)},
    ),
)
