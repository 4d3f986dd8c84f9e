"""What a provider's refusals and failures mean in the contract's words."""

from __future__ import annotations

from typing import Final

from providers.errors import ErrorAnswer, ProviderFault
from resolvers.errors import AccessDenied, InvalidGrant, Problem, ProviderMisconfigured, ProviderUnavailable

# RFC 6749 4.1.2.1 and 5.2: errors about our registration, not about this user.
_OURS: Final = {
    "invalid_client",
    "redirect_uri_mismatch",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
}
# Where no error code says more: our credentials were refused, or this is not the token endpoint.
_OUR_STATUSES: Final = {401, 403, 404, 405, 410, 415}
_PASSING: Final = {"server_error", "temporarily_unavailable"}


def of_redirect(error: str) -> Problem:
    """The `error` of an authorization response. What isn't known counts as the user's no; nothing is reflected."""
    if error in _OURS or error == "invalid_request":
        return ProviderMisconfigured()
    if error in _PASSING:
        return ProviderUnavailable()
    return AccessDenied()


def known(error: str) -> str:
    """The `error` of an authorization response for the log: it came through a browser, so nothing else goes there."""
    return error if error in {*_OURS, *_PASSING, "access_denied", "invalid_request"} else "another"


def of_exchange(fault: ProviderFault) -> Problem:
    """The end of a token request. A refusal that says no more is one of the code, and so is
    `invalid_request`: it is what many say to a code that they can't read, and the code is the caller's."""
    if not isinstance(fault, ErrorAnswer) or not fault.refused or fault.error in _PASSING:
        return ProviderUnavailable()
    if fault.error == "access_denied":
        return AccessDenied()
    if fault.error in _OURS or (fault.error is None and fault.status in _OUR_STATUSES):
        return ProviderMisconfigured()
    return InvalidGrant()
