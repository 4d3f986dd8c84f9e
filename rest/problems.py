"""Problems in HTTP itself, beside those of the contract, and the one table that gives each code its status."""

from __future__ import annotations

from typing import Final

from resolvers.errors import Problem


class NotFound(Problem):
    code = "NOT_FOUND"
    default = "There is nothing at this address."


class MethodNotAllowed(Problem):
    code = "METHOD_NOT_ALLOWED"
    default = "This method is not allowed here."

    def __init__(self, allow: str) -> None:
        self.allow = allow
        super().__init__(f"Allowed here: {allow}.")


class NotAcceptable(Problem):
    code = "NOT_ACCEPTABLE"
    default = "Accept application/graphql-response+json or application/json."


class PayloadTooLarge(Problem):
    code = "PAYLOAD_TOO_LARGE"
    default = "The body is too large."


class RequestTimeout(Problem):
    code = "REQUEST_TIMEOUT"
    default = "The request took too long to arrive."


class HeadersTooLarge(Problem):
    code = "HEADERS_TOO_LARGE"
    default = "The headers are too large."


class UnsupportedMediaType(Problem):
    code = "UNSUPPORTED_MEDIA_TYPE"
    default = "Send the body as application/json in UTF-8."


class PersistedQueryNotSupported(Problem):
    """Asked for by its hash only (Apollo's automatic persisted queries). Clients know this answer by the message, which
    is Apollo Server's, and send the whole document then."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"
    default = "PersistedQueryNotSupported"


STATUS: Final = {
    "VALIDATION_ERROR": 400,
    "INVALID_STATE": 400,
    "INVALID_GRANT": 400,
    "ACCESS_DENIED": 400,
    "UNAUTHENTICATED": 401,
    "INVALID_TOKEN": 401,
    "INSUFFICIENT_SCOPE": 403,
    "FORBIDDEN": 403,
    "PROVIDER_NOT_FOUND": 404,
    "CONNECTION_NOT_FOUND": 404,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "NOT_ACCEPTABLE": 406,
    "REQUEST_TIMEOUT": 408,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RATE_LIMITED": 429,
    "HEADERS_TOO_LARGE": 431,
    "PROVIDER_UNAVAILABLE": 500,
    "PROVIDER_MISCONFIGURED": 500,
    "INTERNAL_ERROR": 500,
    "SERVICE_UNAVAILABLE": 503,
    # As Apollo Server has it. Some clients look for no message in an answer with another status.
    "PERSISTED_QUERY_NOT_SUPPORTED": 200,
}
