"""What a request must have besides tokens: parameters in its form and URL, and header fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sandbox.dialect.templates import matched, placeholders
from sandbox.endpoint_request import EndpointRequest
from sandbox.oauth import OAuthError

_FORBIDDEN: Final = 403


def check_form(request: EndpointRequest, params: Mapping[str, str]) -> None:
    """Raises OAuthError unless the body is a well-formed form with the parameters that the provider requires."""
    if not request.is_form:
        raise OAuthError("invalid_request", "the body is not a form")
    if request.form.malformed:
        raise OAuthError("invalid_request", request.form.malformed)
    # A parameter without a value counts as absent.
    if any((request.form.get(name) or "") != value for name, value in params.items()):
        raise OAuthError("invalid_request", "a parameter that this provider requires is missing")


def check_query(request: EndpointRequest, params: Mapping[str, str]) -> None:
    """Raises OAuthError unless the URL has these parameters and no others."""
    if request.query.malformed:
        raise OAuthError("invalid_request", request.query.malformed)
    if request.query.values != {name: value for name, value in params.items() if value}:
        raise OAuthError("invalid_request", "the parameters in the URL are not those of this endpoint")


def check_headers(request: EndpointRequest, headers: Mapping[str, str], *, status: int = _FORBIDDEN) -> dict[str, str]:
    """What stands at the placeholders for tokens. Raises OAuthError, with `status` if a credential is wrong, unless the
    request has these header fields."""
    client, found = request.provider.client, dict[str, str]()
    for name, template in headers.items():
        value = request.headers.get(name)
        there = None if value is None or client is None else matched(template, value, client.known(template))
        if there is None and placeholders(template):
            raise OAuthError("invalid_client", f"the header field {name} is missing or wrong", status=status)
        if there is None:
            raise OAuthError("invalid_request", f"the header field {name} is missing or wrong")
        found |= there
    return found
