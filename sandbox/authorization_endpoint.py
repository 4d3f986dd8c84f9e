"""The authorization endpoint (RFC 6749 4.1.1): checks the request, gets a decision, and redirects with a code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import Response

from sandbox import consent_page, responses
from sandbox.endpoint_request import EndpointRequest
from sandbox.oauth import OAuthError
from sandbox.settings import SettingError, read_flow

APPROVE, DENY = "approve", "deny"
ACCOUNT = "sam"

_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on an authorization request. `verdict` is APPROVE or DENY, `account` the user's account at the
    provider. `granted` None means all scopes that were requested."""

    verdict: str
    account: str
    granted: frozenset[str] | None


def authorize(request: EndpointRequest) -> Response:
    """The consent page, or a redirect to the app. Errors in client_id or redirect_uri are shown to the user and never
    sent to the app (RFC 6749 4.1.2.1)."""
    if request.provider.dialect.routed_in_browser and "client_id" not in request.query.values:
        request.call.outcome = "routed"
        return consent_page.routing_page(request.provider.dialect.name)
    try:
        redirect_uri = _redirect_uri(request)
        flow = _flow(request)
    except OAuthError as error:
        request.refused(error)
        return consent_page.error_page(request.provider.dialect.name, error.description)
    try:
        code_challenge = _check_request(request)
    except OAuthError as error:
        request.refused(error)
        return _redirect(request, redirect_uri, error.document)
    decision = _decision(request)
    if decision is None:
        request.call.outcome = "shown"
        dialect = request.provider.dialect
        client_id = request.query.values["client_id"]
        return consent_page.page(dialect.name, client_id, _requested(request), ACCOUNT)
    if decision.verdict == DENY:
        request.call.outcome = "denied"
        return _denied(request, redirect_uri)
    return _approve(request, redirect_uri, code_challenge, decision, flow)


def _denied(request: EndpointRequest, redirect_uri: str) -> Response:
    """The error of RFC 6749 4.1.2.1, unless the provider sends only the state."""
    if request.provider.dialect.denied == "state_only":
        return responses.redirect(_with_parameters(redirect_uri, {"state": request.query.values["state"]}))
    return _redirect(request, redirect_uri, OAuthError("access_denied", "the user denied access").document)


def _redirect_uri(request: EndpointRequest) -> str:
    client, query = request.provider.client, request.query
    if query.malformed:
        raise OAuthError("invalid_request", f"The request is malformed: {query.malformed}.")
    if client is None or query.get("client_id") != client.client_id:
        raise OAuthError("invalid_client", "No app with this client_id is registered.")
    redirect_uri = query.get("redirect_uri")
    if redirect_uri is None or not client.registered(redirect_uri):
        raise OAuthError("invalid_redirect_uri", "The redirect_uri doesn't exactly match one that the app registered.")
    return redirect_uri


def _flow(request: EndpointRequest) -> dict[str, Any]:
    """The settings of this flow, which whoever plays the user adds to the URL."""
    try:
        return read_flow(request.query.values)
    except SettingError as error:
        raise OAuthError("invalid_request", f"A setting for this flow is wrong: {error}.") from None


def _check_request(request: EndpointRequest) -> str | None:
    """Raises OAuthError for an invalid request. Returns the code_challenge; None if there is none, or if the provider
    ignores PKCE."""
    query = request.query
    if query.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be code")
    if query.get("state") is None:
        raise OAuthError("invalid_request", "state is missing")
    dialect = request.provider.dialect
    fixed = {**dialect.queries.get("authorize", {}), **dialect.authorize_params}
    if missing := [name for name, value in fixed.items() if value and query.get(name) != value]:
        raise OAuthError("invalid_request", f"{missing[0]} is not what this provider requires")
    if not dialect.pkce_checked:
        return None
    code_challenge = query.get("code_challenge")
    if code_challenge is None and dialect.pkce == "none":
        return None
    if code_challenge is None or not _CHALLENGE.fullmatch(code_challenge):
        raise OAuthError("invalid_request", "code_challenge is missing or malformed")
    if query.get("code_challenge_method") != "S256":
        raise OAuthError("invalid_request", "code_challenge_method must be S256")
    return code_challenge


def _decision(request: EndpointRequest) -> Decision | None:
    """The decision that the user submitted on the page, else the one in the URL, else the one in the settings; None if
    there is none yet."""
    form, query = request.form.values, request.query.values
    if form.get("decision") in (APPROVE, DENY):
        granted = frozenset(scope for name, scope in form.items() if name.startswith(consent_page.SCOPE_FIELD))
        return Decision(form["decision"], form.get("account", ACCOUNT), granted)
    verdict = query.get("decision", request.provider.settings.decision)
    if verdict not in (APPROVE, DENY):
        return None
    granted = frozenset(query["grant"].split()) if "grant" in query else None
    return Decision(verdict, query.get("account", ACCOUNT), granted)


def _requested(request: EndpointRequest) -> list[str]:
    """The scopes that the user is asked for. If the app requests none, they may be fixed for the app."""
    dialect = request.provider.dialect
    fixed = list(dialect.offered) if dialect.granted_call else []
    return dialect.scopes(request.query.get("scope")) or fixed


def _approve(
    request: EndpointRequest,
    redirect_uri: str,
    code_challenge: str | None,
    decision: Decision,
    flow: dict[str, Any],
) -> Response:
    provider = request.provider
    requested = "scope" in request.query.values
    scopes = [scope for scope in _requested(request) if decision.granted is None or scope in decision.granted]
    client_id = request.query.values["client_id"]
    family = provider.tokens.add_consent(
        provider.key, client_id, decision.account, scopes, scope_requested=requested, settings=flow
    )
    code_life = provider.behaviour_for(family).code_life
    code = provider.tokens.issue_code(family, redirect_uri, code_challenge, code_life)
    call = request.call
    call.outcome, call.code = "approved", code.value
    call.grant, call.family, call.account = family.grant.number, family.number, decision.account
    granted = {"scope": provider.dialect.scope_separator.join(scopes)} if requested else {}
    return _redirect(request, redirect_uri, {"code": code.value, **granted})


def _redirect(request: EndpointRequest, redirect_uri: str, answer: dict[str, str]) -> Response:
    """Redirect to the app, with its state, and with the issuer if the provider sends it (RFC 9207)."""
    state, iss = request.query.get("state"), request.provider.dialect.iss
    parameters = {**answer, **({"state": state} if state else {}), **({"iss": iss} if iss else {})}
    return responses.redirect(_with_parameters(redirect_uri, parameters))


def _with_parameters(redirect_uri: str, parameters: dict[str, str]) -> str:
    separator = "&" if "?" in redirect_uri else "?"
    return f"{redirect_uri}{separator}{urlencode(parameters, quote_via=quote)}"
