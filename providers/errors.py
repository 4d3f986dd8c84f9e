"""What can go wrong when a provider is asked: what can go wrong with any request (`wire/http/errors.py`), and

RequestFailed           the base class
  TransportFailure
    HeldBack            the provider was deliberately not asked (`provider_limit.py`)
      Busy              too many requests to it are in progress
      CircuitOpen       it has not answered in time lately; `retry_after` says when it may be asked again
  ErrorAnswer           the provider refused, or can't answer now (RFC 6749 5.2)

The message of each is safe to log: of what the provider sent, it contains only the HTTP status and a registered error
code.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final

from wire.http.errors import (
    ForbiddenAddress,
    RequestFailed,
    TimedOut,
    TransportFailure,
    Unreachable,
    UnreadableResponse,
)

__all__ = [
    "REGISTERED",
    "Busy",
    "CircuitOpen",
    "Effect",
    "ErrorAnswer",
    "ForbiddenAddress",
    "HeldBack",
    "Meaning",
    "RequestFailed",
    "TimedOut",
    "TransportFailure",
    "Unreachable",
    "UnreadableResponse",
    "effect_of",
    "wait_of",
]


class Meaning(StrEnum):
    """What an error answer means. The first four are the values that the catalogue uses."""

    GRANT_OVER = "grant_over"
    """The code or refresh token is no longer valid. The same request would be refused again."""
    MISCONFIGURED = "misconfigured"
    """Our registration is wrong, or the catalogue's entry for the endpoint. Neither the user nor a retry can fix it."""
    SLOW_DOWN = "slow_down"
    """There were too many requests."""
    TEMPORARY = "passing"
    """The provider is temporarily unable to answer, and has decided nothing."""
    ACCESS_DENIED = "access_denied"
    """The user denied access."""
    UNCLEAR = "unclear"
    """A refusal without a reason. Treat it as a refused code in an exchange, but keep a refresh token."""


REGISTERED: Final = {
    "access_denied": Meaning.ACCESS_DENIED,
    "invalid_client": Meaning.MISCONFIGURED,
    "invalid_grant": Meaning.GRANT_OVER,
    "invalid_redirect_uri": Meaning.MISCONFIGURED,
    # Many servers use it for a code that they can't parse, and the code comes from the caller.
    "invalid_request": Meaning.UNCLEAR,
    "invalid_scope": Meaning.MISCONFIGURED,
    "redirect_uri_mismatch": Meaning.MISCONFIGURED,
    "server_error": Meaning.TEMPORARY,
    "slow_down": Meaning.SLOW_DOWN,
    "temporarily_unavailable": Meaning.TEMPORARY,
    "unauthorized_client": Meaning.MISCONFIGURED,
    "unsupported_grant_type": Meaning.MISCONFIGURED,
    "unsupported_response_type": Meaning.MISCONFIGURED,
}
"""The known error codes and their meanings: those of RFC 6749 4.1.2.1 and 5.2, `slow_down` of RFC 8628,
`invalid_redirect_uri` of RFC 7591, and `redirect_uri_mismatch`, which several providers use instead. They are the same
in authorization responses and token answers."""


class HeldBack(TransportFailure):
    def __init__(self, reason: str) -> None:
        super().__init__(reason, sent=False)


class Busy(HeldBack):
    def __init__(self) -> None:
        super().__init__("too many requests to it are in progress")


class CircuitOpen(HeldBack):
    """`retry_after` is whole seconds, 1 or more."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__("the provider has not answered in time lately")


class ErrorAnswer(RequestFailed):
    """`error` is one of REGISTERED, and None for any other code or none; `status` is the HTTP status.

    `retry_after` is whole seconds, 1 or more, if the provider said how long to wait. `overdue` says that only the head
    of the answer arrived in time.
    """

    def __init__(
        self,
        error: str | None,
        status: int,
        meaning: Meaning,
        *,
        retry_after: int | None = None,
        overdue: bool = False,
    ) -> None:
        self.error = error
        self.status = status
        self.meaning = meaning
        self.retry_after = retry_after
        self.overdue = overdue
        super().__init__(
            f"error answer with HTTP status {status}: {error or 'no registered error code'} ({meaning.value})"
        )


class Effect(Enum):
    """What a request that failed has done at the provider. For a refresh, it decides what happens to the connection."""

    NOT_SENT = "not_sent"
    """No byte was sent. The request may be sent again at any time."""
    NOT_DONE = "not_done"
    """The provider answered that it didn't do it. It may do so later: the tokens stay as they are."""
    REFUSED = "refused"
    """The provider has refused the grant for good (`invalid_grant`). Nothing else is final."""
    MISCONFIGURED = "misconfigured"
    """Our registration or the entry is wrong, so it was not done. No user is concerned and none can help."""
    UNKNOWN = "unknown"
    """It may have been done, or may still be: there was no answer in time, a 5xx, or one that can't be read."""


def effect_of(fault: RequestFailed) -> Effect:
    """What is known about a request that failed like this."""
    match fault:
        case TransportFailure(sent=False):
            return Effect.NOT_SENT
        case ErrorAnswer(meaning=Meaning.GRANT_OVER):
            return Effect.REFUSED
        case ErrorAnswer(meaning=Meaning.MISCONFIGURED):
            return Effect.MISCONFIGURED
        case ErrorAnswer(meaning=Meaning.SLOW_DOWN | Meaning.UNCLEAR | Meaning.ACCESS_DENIED):
            return Effect.NOT_DONE
        case _:
            return Effect.UNKNOWN


def wait_of(fault: RequestFailed) -> int | None:
    """The seconds to wait before the provider is asked again, 1 or more, if the provider or its circuit says."""
    return fault.retry_after if isinstance(fault, ErrorAnswer | CircuitOpen) else None
