"""JSON Schemas of what the REST routes take and return, in the dialect of OpenAPI 3.1.

Written by hand, because callers rely on them. Tests compare their members with those of the GraphQL types, and the
service's responses with the schemas.
"""

from __future__ import annotations

from typing import Any, Final

from resolvers import inputs
from rest.json_http import STATUS
from wire import uri

Schema = dict[str, Any]


def reference(name: str) -> Schema:
    """A reference to one of `COMPONENTS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Schema, optional: Schema | None = None, **more: Any) -> Schema:
    """An object whose `properties` are required."""
    return {"type": "object", "properties": {**properties, **(optional or {})}, "required": list(properties), **more}


def text(longest: int | None = None) -> Schema:
    """A string without control characters that does not consist of spaces alone."""
    schema = {"type": "string", "pattern": _NOT_BLANK}
    return schema if longest is None else schema | {"maxLength": longest}


def _optional(longest: int, description: str) -> Schema:
    return {"type": ["string", "null"], "pattern": _PRINTABLE, "maxLength": longest, "description": description}


# JSON Schema's patterns are ECMA-262's.
_NOT_BLANK: Final = r"^[^\u0000-\u001F\u007F]*[^\u0000-\u0020\u007F][^\u0000-\u001F\u007F]*$"
_PRINTABLE: Final = r"^[^\u0000-\u001F\u007F]*$"
# An absolute URI without a fragment (RFC 3986 4.3).
_URI: Final = {
    "type": "string",
    "format": "uri",
    "pattern": r"^[A-Za-z][A-Za-z0-9+.\-]*:[^#]+$",
    "maxLength": uri.MAX_LENGTH,
}
_TIMESTAMP: Final = {"type": "string", "format": "date-time", "examples": ["2026-11-23T12:00:00.000Z"]}
CONNECTION_ID: Final[Schema] = {"type": "string", "format": "uuid"}
_CONNECTION: Final[Schema] = {
    "id": CONNECTION_ID,
    "userId": {"type": "string"},
    "providerId": {
        "type": "string",
        "format": "uuid",
        "description": "Derived from the slug, so it is the same in every installation.",
    },
    "providerSlug": {"type": "string", "examples": ["acme"]},
    "status": {"type": "string", "enum": ["pending", "connected", "error", "disconnected"]},
    "lastSyncAt": {**_TIMESTAMP, "type": ["string", "null"]},
    "createdAt": _TIMESTAMP,
}

COMPONENTS: Final[Schema] = {
    "Connection": record(_CONNECTION, description="A user's connection to a provider.", additionalProperties=False),
    "AuthorizeConnectionInput": record(
        {"provider": text(inputs.SLUG), "redirectUri": _URI},
        {
            "site": _optional(
                inputs.SLUG,
                "The id of one of the provider's sites. May be left out if it has only one. Not for a provider without"
                " sites.",
            )
        },
    ),
    "Authorization": record({"url": {"type": "string", "format": "uri"}, "state": text()}, additionalProperties=False),
    "CompleteConnectionInput": record(
        {
            "provider": text(inputs.SLUG),
            "code": {
                "type": "string",
                "pattern": _PRINTABLE,
                "maxLength": inputs.CODE,
                "description": "The redirect's `code` parameter. Empty if it had none: then it had `error`, or, with"
                " some providers, only `state`, which says that access was refused.",
            },
            "state": text(inputs.STATE),
            "redirectUri": _URI,
        },
        {
            "iss": _optional(inputs.ISSUER, "The redirect's `iss` parameter (RFC 9207), if it had one."),
            "scope": _optional(inputs.SCOPE, "The redirect's `scope` parameter, if it had one."),
            "error": _optional(
                inputs.ERROR,
                "The redirect's `error` parameter, if it had one instead of a code. It ends the authorization request.",
            ),
        },
    ),
    "IssueAccessTokenInput": record(
        {},
        {
            "scopes": {
                "type": ["array", "null"],
                "items": text(inputs.SCOPE),
                "maxItems": inputs.SCOPES,
                "description": "The scopes that the token must have.",
            },
            "rejectedToken": {
                **text(inputs.TOKEN),
                "type": ["string", "null"],
                "description": "The token that the provider's API has just rejected, if any.",
            },
        },
    ),
    "ApiHeader": record({"name": {"type": "string"}, "value": {"type": "string"}}, additionalProperties=False),
    "IssuedToken": record(
        {
            "accessToken": {"type": "string"},
            "tokenType": {"type": "string", "const": "Bearer"},
            "expiresAt": {**_TIMESTAMP, "type": ["string", "null"]},
            "scopes": {"type": "array", "items": {"type": "string"}},
            "apiBase": {"type": ["string", "null"], "format": "uri"},
            "apiHeaders": {
                "type": "array",
                "items": reference("ApiHeader"),
                "description": "The header fields that the API requires in addition to Authorization.",
            },
        },
        additionalProperties=False,
    ),
    "Error": record(
        {"error": {"type": "string", "enum": [code.lower() for code in STATUS]}, "message": {"type": "string"}}
    ),
}
