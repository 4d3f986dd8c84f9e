"""The errors that a caller can see. Those of HTTP itself are in `rest/json_http.py`.

Problem
  ValidationError      VALIDATION_ERROR          malformed input; the message names the field
  InvalidState         INVALID_STATE             this call can't use the state
  InvalidGrant         INVALID_GRANT             the provider refused the code
  AccessDenied         ACCESS_DENIED             the user denied access at the provider
  AccountTaken         ACCOUNT_TAKEN             another user has a connection to the provider's account
  ProviderNotFound     PROVIDER_NOT_FOUND        not in the catalogue, or without credentials here
  ConnectionNotFound   CONNECTION_NOT_FOUND      no such connection, or not visible to this caller
  Unauthenticated      UNAUTHENTICATED           no token
  InvalidToken         INVALID_TOKEN             a token that is not, or no longer, valid
  InsufficientScope    INSUFFICIENT_SCOPE        the token lacks a scope
  Forbidden            FORBIDDEN                 another user's connections, or a user's flow without a user
  ReauthorizationRequired REAUTHORIZATION_REQUIRED the grant is over: the user has to connect again
  ScopesMissing        SCOPES_MISSING            the user did not grant what the caller asks for
  RateLimited          RATE_LIMITED              too many requests
  QueriesOnly          METHOD_NOT_ALLOWED        a mutation in a request that may only query
  ProviderUnavailable  PROVIDER_UNAVAILABLE      time-out, network failure, 5xx or unreadable answer of the provider
  ProviderMisconfigured PROVIDER_MISCONFIGURED   the provider rejects our registration
  ServiceUnavailable   SERVICE_UNAVAILABLE       draining, overloaded, database unreachable
  InternalError        INTERNAL_ERROR            everything else

A message is written for the caller and never quotes input. The cause behind it is only logged.
"""

from __future__ import annotations

from typing import ClassVar


class Problem(Exception):
    """An error of the contract: a stable `code` and a public `message`.

    `retry_after` is in seconds, None when a retry won't help; the message says whether to repeat the request or start
    over. `extensions` is what GraphQL shows beside the message; graphql-core copies it from the exception.
    """

    code: ClassVar[str]
    default: ClassVar[str]

    def __init__(self, message: str | None = None, *, retry_after: int | None = None) -> None:
        self.message = message or self.default
        self.retry_after = retry_after
        super().__init__(self.message)

    @property
    def extensions(self) -> dict[str, str | int]:
        if self.retry_after is None:
            return {"code": self.code}
        return {"code": self.code, "retryAfter": self.retry_after}


class ValidationError(Problem):
    code = "VALIDATION_ERROR"
    default = "The request is malformed."


class InvalidState(Problem):
    code = "INVALID_STATE"
    # One message for every reason, so that nothing about other people's states can be probed.
    default = "The state is unknown, expired, already used or not yours. Start the connection again."


class InvalidGrant(Problem):
    code = "INVALID_GRANT"
    default = "The provider did not accept the code. Start the connection again."


class AccessDenied(Problem):
    code = "ACCESS_DENIED"
    default = "Access was not granted at the provider."


class AccountTaken(Problem):
    code = "ACCOUNT_TAKEN"
    default = "Another user is connected to this account at the provider. Connect another account."


class ProviderNotFound(Problem):
    code = "PROVIDER_NOT_FOUND"
    default = "The provider is not in the catalogue of this service."


class ConnectionNotFound(Problem):
    code = "CONNECTION_NOT_FOUND"
    default = "There is no such connection."


class Unauthenticated(Problem):
    code = "UNAUTHENTICATED"
    default = "Send a bearer token in the Authorization header."


class InvalidToken(Problem):
    code = "INVALID_TOKEN"
    default = "The bearer token is not valid."

    def __init__(
        self,
        reason: str = "the token is malformed",
        *,
        subject: str | None = None,
        client_id: str | None = None,
        hint: str | None = None,
    ) -> None:
        """`reason` is a fixed text for the log. The caller only learns that the token is not valid, and the `hint`.

        `subject` (a user) and `client_id` are set where they are verified although the token is refused: its signature
        is good, or the authorization server vouches for it, but it has expired or is for another audience.
        """
        self.reason = reason
        self.subject = subject
        self.client_id = client_id
        super().__init__(f"{self.default} {hint}" if hint else None)


class InsufficientScope(Problem):
    code = "INSUFFICIENT_SCOPE"
    default = "The bearer token lacks a scope for this."

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"The bearer token lacks the scope {scope}.")


class Forbidden(Problem):
    code = "FORBIDDEN"
    default = "This belongs to another user."


class ReauthorizationRequired(Problem):
    code = "REAUTHORIZATION_REQUIRED"
    default = "The provider has ended this connection. The user has to connect again."


class ScopesMissing(Problem):
    code = "SCOPES_MISSING"
    default = "The user did not grant all of these scopes."


class RateLimited(Problem):
    code = "RATE_LIMITED"
    default = "Too many requests. Try again later."

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(message, retry_after=retry_after)


class QueriesOnly(Problem):
    """A mutation in a request that may only query, because safe methods must not change anything (GraphQL over HTTP
    4.2)."""

    code = "METHOD_NOT_ALLOWED"
    default = "Send mutations by POST."


class ProviderUnavailable(Problem):
    code = "PROVIDER_UNAVAILABLE"
    default = "The provider can't be reached or gave no usable answer. Start the connection again."


class ProviderMisconfigured(Problem):
    code = "PROVIDER_MISCONFIGURED"
    default = (
        "The provider rejects this service's registration with it. Ask the operator of this service to correct it."
    )


class ServiceUnavailable(Problem):
    code = "SERVICE_UNAVAILABLE"
    default = "The service can't answer just now. Try again shortly."

    def __init__(self, message: str | None = None, *, retry_after: int | None = 1) -> None:
        super().__init__(message, retry_after=retry_after)


class InternalError(Problem):
    code = "INTERNAL_ERROR"
    default = "Something went wrong on our side. Start again, and report the request id if it happens again."


PROBLEMS: dict[str, type[Problem]] = {problem.code: problem for problem in Problem.__subclasses__()}
