"""What a provider's refusals and failures mean in the contract's words."""

from __future__ import annotations

from providers.errors import REGISTERED, ErrorAnswer, Meaning, ProviderFault
from resolvers.errors import AccessDenied, InvalidGrant, Problem, ProviderMisconfigured, ProviderUnavailable


def of_redirect(error: str) -> Problem:
    """The `error` of an authorization response. What isn't known counts as the user's no; nothing is reflected."""
    if error == "invalid_request":
        # No code was sent that could be at fault: the request was ours.
        return ProviderMisconfigured()
    match REGISTERED.get(error):
        case Meaning.MISCONFIGURED:
            return ProviderMisconfigured()
        case Meaning.TEMPORARY | Meaning.SLOW_DOWN:
            return ProviderUnavailable()
        case _:
            return AccessDenied()


def known(error: str) -> str:
    """The `error` of an authorization response for the log: it came through a browser, so nothing else goes there."""
    return error if error in REGISTERED else "another"


def of_exchange(fault: ProviderFault) -> Problem:
    """The problem for a failed token request. A refusal without further details counts as a refusal of the code."""
    if not isinstance(fault, ErrorAnswer):
        return ProviderUnavailable()
    match fault.meaning:
        case Meaning.SLOW_DOWN | Meaning.TEMPORARY:
            return _unavailable(fault.retry_after)
        case Meaning.MISCONFIGURED:
            return ProviderMisconfigured()
        case Meaning.ACCESS_DENIED:
            return AccessDenied()
        case Meaning.GRANT_OVER | Meaning.UNCLEAR:
            return InvalidGrant()


def _unavailable(retry_after: int | None) -> ProviderUnavailable:
    """The code has been sent and is never sent again, so the wait applies to a new flow, and the message says so."""
    if retry_after is None:
        return ProviderUnavailable()
    return ProviderUnavailable(
        f"The provider is not accepting requests. Start the connection again in {retry_after} seconds.",
        retry_after=retry_after,
    )
