"""What can go wrong with a request.

RequestFailed
  TransportFailure      there was no response; `sent` says whether any of the request may have been sent
    TimedOut            there was none in time, from resolving the name to the last byte; `stood_still` says that this
                        process was suspended meanwhile, so that it says nothing about the server
    Unreachable         no connection could be opened: refused, no such name, no trusted certificate
    ForbiddenAddress    the name resolves to an address that must not be called (SSRF); nothing was connected to
  UnreadableResponse    there was a response that can't be used

The message of each is safe to log: of what the server sent, it contains the HTTP status only.
"""

from __future__ import annotations


class RequestFailed(Exception):
    """The base class: a request to another system failed."""


class TransportFailure(RequestFailed):
    """`reason` is a fixed text. `sent` is False only if it is certain that no byte of the request was sent."""

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


class UnreadableResponse(RequestFailed):
    """`reason` is a fixed text that says what is wrong with the response, `status` its HTTP status."""

    def __init__(self, reason: str, status: int) -> None:
        self.reason = reason
        self.status = status
        super().__init__(f"unreadable answer with HTTP status {status}: {reason}")
