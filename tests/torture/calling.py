"""Asking a gateway by REST or GraphQL, and what its answer means. Nothing that comes back is taken for granted."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from rest.routes import ROUTES
from tests.torture.history import GARBLED, LOST, OK, REFUSED, Answer

REST, GRAPHQL = "rest", "graphql"
# The message for a callback whose code was sent: it is over, however long the provider asks to wait.
_START_AGAIN = "Start the connection again"
ROUTE = {route.operation: route for route in ROUTES}
# Longer than any lease of a run, so that who waits for one hears how it ended.
PATIENCE = 25.0


def open_client() -> httpx.AsyncClient:
    """Each request on a connection of its own: what a killed gateway was sent is then never in doubt."""
    limits = httpx.Limits(max_connections=400, max_keepalive_connections=0)
    return httpx.AsyncClient(trust_env=False, timeout=PATIENCE, limits=limits)


async def ask(
    client: httpx.AsyncClient,
    origin: str,
    interface: str,
    *,
    operation: str,
    variables: dict[str, Any],
    user: str = "",
    token: str = "",
) -> Answer:
    """The answer to an operation of the route table, whatever happens on the way. A service asks with its `token`."""
    make = _rest if interface == REST else _graphql
    request = make(client, origin, operation, variables)
    request.headers["Authorization"] = f"Bearer {token or f'dev:{user}'}"
    try:
        response = await client.send(request)
    except (httpx.ConnectError, httpx.ConnectTimeout):
        return Answer(REFUSED)
    except httpx.HTTPError:
        return Answer(LOST)
    return _rest_answer(response, operation) if interface == REST else _graphql_answer(response, operation)


def _rest(client: httpx.AsyncClient, origin: str, operation: str, variables: dict[str, Any]) -> httpx.Request:
    route, members = ROUTE[operation], dict(variables.get("input", variables))
    url = origin + re.sub(r"{(\w+)}", lambda name: members.pop(name[1]), route.path)
    if not route.has_body:
        return client.build_request(route.method, url, params=members)
    return client.build_request(route.method, url, json=members)


def _graphql(client: httpx.AsyncClient, origin: str, operation: str, variables: dict[str, Any]) -> httpx.Request:
    asked = {"query": ROUTE[operation].document, "variables": variables}
    accept = {"Accept": "application/graphql-response+json"}
    return client.build_request("POST", f"{origin}/graphql", json=asked, headers=accept)


def _rest_answer(response: httpx.Response, operation: str) -> Answer:
    try:
        body = response.json()
        if response.is_success:
            return Answer(OK, response.status_code, data=body)
        again = "retry-after" in response.headers and _START_AGAIN not in body["message"]
        return Answer(body["error"].upper(), response.status_code, again)
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return Answer(GARBLED, response.status_code, data=f"{operation}: {response.content[:200]!r}")


def _graphql_answer(response: httpx.Response, operation: str) -> Answer:
    try:
        body = response.json()
        if "errors" not in body:
            member = ROUTE[operation].success.field
            return Answer(OK, response.status_code, data=body["data"][member] if member else body["data"])
        error = body["errors"][0]
        told = error["extensions"]
        again = "retryAfter" in told or "retry-after" in response.headers
        return Answer(told["code"], response.status_code, again and _START_AGAIN not in error["message"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, IndexError):
        return Answer(GARBLED, response.status_code, data=f"{operation}: {response.content[:200]!r}")
