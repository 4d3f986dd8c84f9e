"""The OpenAPI 3.1 document of the REST routes, served at `/openapi.json`."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from rest.json_http import STATUS
from rest.json_schemas import COMPONENTS, Schema, reference
from rest.routes import ROUTES, RestRoute, Routes

_DESCRIPTION: Final = (
    "Connects people to their health-data providers. Every operation is also available by GraphQL. Request bodies are"
    " strict JSON (RFC 8259) in UTF-8 of at most 64 KiB: no duplicate keys, no NUL characters, no lone surrogates."
)
_REQUEST_ID: Final = {
    "description": "Identifies the request in the log of the service.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}
_RETRY_AFTER: Final = {
    "description": "Seconds to wait before trying again. The message says whether to send the same request.",
    "schema": {"type": "integer", "minimum": 1},
}
JWK_SET_PATH: Final = "/.well-known/jwks.json"
_JWK_SET: Final[Schema] = {
    "type": "object",
    "required": ["keys"],
    "properties": {
        "keys": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["kty", "kid", "use"],
                "properties": {
                    "kty": {"enum": ["RSA", "EC"]},
                    "kid": {"type": "string", "description": "The thumbprint of the key (RFC 7638)."},
                    "use": {"const": "sig"},
                    "alg": {"type": "string"},
                },
            },
        }
    },
}
# The statuses of the failures that every route has, and those of routes with a body.
_FAILURES: Final = (400, 401, 403, 429, 500, 503)
_BODY_FAILURES: Final = (413, 415)


def openapi_document(routes: Routes = ROUTES, *, client_keys: bool = False) -> Schema:
    """With `client_keys`, there are keys of ours, which the service publishes."""
    paths: Schema = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    if client_keys:
        paths[JWK_SET_PATH] = {"get": _jwk_set()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tendon",
            "version": version("tendon"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": COMPONENTS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: RestRoute) -> Schema:
    failures = {*_FAILURES, *route.failures, *(_BODY_FAILURES if route.has_body else ())}
    operation: Schema = {
        "operationId": route.operation[0].lower() + route.operation[1:],
        "summary": route.summary,
        "responses": {str(route.success.status): _response("Success", route.success.schema)}
        | {str(status): _failure(status) for status in sorted(failures)},
    }
    if route.parameters:
        operation["parameters"] = [_parameter(route, name, schema) for name, schema in route.parameters.items()]
    if route.has_body:
        content = {"application/json": {"schema": reference(f"{route.operation}Input")}}
        operation["requestBody"] = {"required": route.requires_body, "content": content}
    return operation


def _jwk_set() -> Schema:
    return {
        "operationId": "clientKeys",
        "summary": "The public keys with which Tendon authenticates at providers, as a JWK Set (RFC 7517 5)",
        "security": [],
        "responses": {"200": _response("Success", _JWK_SET)}
        | {str(status): _failure(status) for status in (429, 500, 503)},
    }


def _parameter(route: RestRoute, name: str, schema: Schema) -> Schema:
    place = "path" if f"{{{name}}}" in route.path else "query"
    return {"name": name, "in": place, "required": True, "schema": schema}


def _failure(status: int) -> Schema:
    codes = ", ".join(f"`{code.lower()}`" for code, its in STATUS.items() if its == status)
    more = {"Retry-After": _RETRY_AFTER} if status in (429, 500, 503) else {}
    return _response(codes, reference("Error"), more)


def _response(description: str, schema: Schema, headers: Schema | None = None) -> Schema:
    content = {"application/json": {"schema": schema}}
    return {"description": description, "headers": {"X-Request-Id": _REQUEST_ID} | (headers or {}), "content": content}
