"""The OpenAPI 3.1 description of the REST routes, served at `/openapi.json`.

Written by hand, because it is what callers rely on; the tests drive the running service with it and compare its
members with the schema's.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from resolvers import inputs
from rest.problems import STATUS
from rest.routes import ROUTES
from wire import uri

Schema = dict[str, Any]

_DESCRIPTION: Final = (
    "Connects people to their health-data providers. GraphQL has every operation, too. Bodies are strict JSON "
    "(RFC 8259) in UTF-8 of at most 64 KiB: no duplicate keys, no NUL characters, no lone surrogates."
)

_REQUEST_ID: Final = {
    "description": "Stands in the log, too.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}
_RETRY_AFTER: Final = {
    "description": "Seconds to wait before trying again; the message says whether with the same request.",
    "schema": {"type": "integer", "minimum": 1},
}

# No control characters, and something beside spaces. ECMA 262 as JSON Schema wants it.
_NOT_BLANK: Final = r"^[^\u0000-\u001F\u007F]*[^\u0000-\u0020\u007F][^\u0000-\u001F\u007F]*$"
_PRINTABLE: Final = r"^[^\u0000-\u001F\u007F]*$"
_TEXT: Final = {"type": "string", "pattern": _NOT_BLANK}
# An absolute URI (RFC 3986 4.3): without a fragment, and http and https with a host.
_URI: Final = {
    "type": "string",
    "format": "uri",
    "pattern": r"^[A-Za-z][A-Za-z0-9+.\-]*:[^#]+$",
    "maxLength": uri.MAX_LENGTH,
}
_MOMENT: Final = {"type": "string", "format": "date-time", "examples": ["2026-11-23T12:00:00.000Z"]}

_CONNECTION: Final[Schema] = {
    "type": "object",
    "description": "One user's link to one provider.",
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "userId": {"type": "string"},
        "providerId": {"type": "string", "format": "uuid", "description": "Stable everywhere: made from the slug."},
        "providerSlug": {"type": "string", "examples": ["oura"]},
        "status": {"type": "string", "enum": ["pending", "connected", "error", "disconnected"]},
        "lastSyncAt": {**_MOMENT, "type": ["string", "null"]},
        "createdAt": _MOMENT,
    },
}


def _record(properties: Schema, optional: Schema | None = None, **more: Any) -> Schema:
    return {"type": "object", "properties": {**properties, **(optional or {})}, "required": list(properties), **more}


def _optional(longest: int, description: str) -> Schema:
    return {"type": ["string", "null"], "pattern": _PRINTABLE, "maxLength": longest, "description": description}


_SCHEMAS: Final[Schema] = {
    "Connection": _CONNECTION | {"required": list(_CONNECTION["properties"]), "additionalProperties": False},
    "AuthorizeConnectionInput": _record({"provider": {**_TEXT, "maxLength": inputs.SLUG}, "redirectUri": _URI}),
    "Authorization": _record({"url": {"type": "string", "format": "uri"}, "state": _TEXT}, additionalProperties=False),
    "CompleteConnectionInput": _record(
        {
            "provider": {**_TEXT, "maxLength": inputs.SLUG},
            "code": {"type": "string", "pattern": _PRINTABLE, "maxLength": inputs.CODE},
            "state": {**_TEXT, "maxLength": inputs.STATE},
            "redirectUri": _URI,
        },
        {
            "iss": _optional(inputs.ISSUER, "The issuer (RFC 9207), where the redirect had it."),
            "scope": _optional(inputs.SCOPE, "The granted scope, where the redirect had it."),
            "error": _optional(inputs.ERROR, "The error that the redirect had in place of a code: ends the request."),
        },
        # An empty code goes with an error only.
        anyOf=[
            {"properties": {"code": {"pattern": _NOT_BLANK}}},
            {"properties": {"error": {"type": "string", "pattern": _NOT_BLANK}}, "required": ["error"]},
        ],
    ),
    "Error": _record(
        {"error": {"type": "string", "enum": [code.lower() for code in STATUS]}, "message": {"type": "string"}}
    ),
}

_SUCCESS: Final[Schema] = {
    "AuthorizeConnection": {"$ref": "#/components/schemas/Authorization"},
    "CompleteConnection": _record({"connection": {"$ref": "#/components/schemas/Connection"}}),
    "ListConnections": _record(
        {"connections": {"type": "array", "items": {"$ref": "#/components/schemas/Connection"}}}
    ),
}
_ABOUT: Final = {
    "AuthorizeConnection": "Begin: the URL to send the user to, good for ten minutes",
    "CompleteConnection": "End: turn the provider's callback into a connection. Sent again, it answers the same",
    "ListConnections": "A user's connections, oldest first",
}
_FAILURES: Final = {
    "AuthorizeConnection": (400, 401, 403, 404, 413, 415, 429, 500, 503),
    "CompleteConnection": (400, 401, 403, 404, 413, 415, 429, 500, 503),
    "ListConnections": (400, 401, 403, 429, 500, 503),
}
_PARAMETERS: Final[Schema] = {
    "ListConnections": [
        {"name": "userId", "in": "query", "required": True, "schema": {**_TEXT, "maxLength": inputs.USER}},
    ],
}


def openapi_document() -> Schema:
    paths: Schema = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route.operation, route.status)
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
            "schemas": _SCHEMAS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(name: str, status: int) -> Schema:
    operation: Schema = {
        "operationId": name[0].lower() + name[1:],
        "summary": _ABOUT[name],
        "responses": {str(status): _response("Success", _SUCCESS[name])}
        | {str(failure): _failure(failure) for failure in _FAILURES[name]},
    }
    if name in _PARAMETERS:
        operation["parameters"] = _PARAMETERS[name]
    if f"{name}Input" in _SCHEMAS:
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}Input"}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _failure(status: int) -> Schema:
    codes = ", ".join(f"`{code.lower()}`" for code, its in STATUS.items() if its == status)
    more = {"Retry-After": _RETRY_AFTER} if status in (429, 500, 503) else {}
    return _response(codes, {"$ref": "#/components/schemas/Error"}, more)


def _response(description: str, schema: Schema, headers: Schema | None = None) -> Schema:
    content = {"application/json": {"schema": schema}}
    return {"description": description, "headers": {"X-Request-Id": _REQUEST_ID} | (headers or {}), "content": content}
