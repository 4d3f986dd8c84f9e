"""What can go wrong out there.

ProviderFault
  TransportFailure      no answer came; `sent` says whether any of the request may have left
    TimedOut            none came in time, from the look-up of the name to the last byte; `stood_still` says that this
                        process stood still meanwhile, so that it says nothing about the provider
    Unreachable         no connection could be made: refused, no such name, no trusted certificate
    ForbiddenAddress    the name leads to an address that is never called (SSRF); nothing was connected
    HeldBack            the provider was not asked on purpose (`turnstile.py`)
      Busy              too many exchanges with it are under way
      CircuitOpen       it has not answered in time lately; `retry_after` says when it may be asked again
  UnreadableAnswer      an answer came that can't be used
  ErrorAnswer           the provider said no, or that it can't now (RFC 6749 5.2)

The text of each is safe to log: of what the provider sent it holds only the HTTP status and a registered error code.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Meaning(StrEnum):
    """What an error answer says about the request. The first four are values of the catalogue."""

    GRANT_OVER = "grant_over"
    """The code or refresh token that was sent is dead. The same request would be refused again."""
    MISCONFIGURED = "misconfigured"
    """Our registration is wrong, or the catalogue's entry for the endpoint. Neither the user nor a retry can fix it."""
    SLOW_DOWN = "slow_down"
    """There were too many requests."""
    PASSING = "passing"
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
    # Many servers answer this for a code that they can't parse, and the code comes from the caller.
    "invalid_request": Meaning.UNCLEAR,
    "invalid_scope": Meaning.MISCONFIGURED,
    "redirect_uri_mismatch": Meaning.MISCONFIGURED,
    "server_error": Meaning.PASSING,
    "slow_down": Meaning.SLOW_DOWN,
    "temporarily_unavailable": Meaning.PASSING,
    "unauthorized_client": Meaning.MISCONFIGURED,
    "unsupported_grant_type": Meaning.MISCONFIGURED,
    "unsupported_response_type": Meaning.MISCONFIGURED,
}
"""The known error codes and what each means: those of RFC 6749 4.1.2.1 and 5.2, `slow_down` of RFC 8628,
`invalid_redirect_uri` of RFC 7591, and `redirect_uri_mismatch`, which several providers use instead. Authorization
responses and token answers share them."""


class ProviderFault(Exception):
    """The base of all: something about the provider or the way to it."""


class TransportFailure(ProviderFault):
    """`reason` is a fixed text. `sent` is False only when it is certain that no byte of the request has left."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        self.reason = reason
        self.sent = sent
        super().__init__(f"no answer: {reason} ({'the request may have left' if sent else 'nothing was sent'})")


class TimedOut(TransportFailure):
    def __init__(self, *, sent: bool, stood_still: bool = False) -> None:
        self.stood_still = stood_still
        reason = "this process stood still meanwhile" if stood_still else "it took too long"
        super().__init__(reason, sent=sent)


class Unreachable(TransportFailure):
    def __init__(self) -> None:
        super().__init__("no connection could be made", sent=False)


class ForbiddenAddress(TransportFailure):
    def __init__(self) -> None:
        super().__init__("the address is not a public one", sent=False)


class HeldBack(TransportFailure):
    def __init__(self, reason: str) -> None:
        super().__init__(reason, sent=False)


class Busy(HeldBack):
    def __init__(self) -> None:
        super().__init__("too many exchanges are under way")


class CircuitOpen(HeldBack):
    """`retry_after` is whole seconds, 1 or more."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__("the provider has not answered in time lately")


class UnreadableAnswer(ProviderFault):
    """`reason` is a fixed text that says what is wrong with the answer, `status` its HTTP status."""

    def __init__(self, reason: str, status: int) -> None:
        self.reason = reason
        self.status = status
        super().__init__(f"unreadable answer with HTTP status {status}: {reason}")


class ErrorAnswer(ProviderFault):
    """`error` is one of REGISTERED, None for any other code or none; `status` is the HTTP status.

    `retry_after` is whole seconds, 1 or more, if the provider said how long to wait. `overdue` says that only the head
    of the answer came in time.
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
