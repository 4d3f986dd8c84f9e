"""The authorization endpoint (RFC 6749 4.1.1): checks the request, asks the user or a script, redirects with a code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from starlette.responses import Response

from sandbox import consent_page, responses
from sandbox.exchange import Exchange
from sandbox.oauth import OAuthError

APPROVE, DENY = "approve", "deny"
ACCOUNT = "sam"

_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on a request for `account`. `granted` None means all scopes that were requested."""

    verdict: str
    account: str
    granted: frozenset[str] | None


def authorize(exchange: Exchange) -> Response:
    """A page, or a redirect to the app. Errors in client_id or redirect_uri are shown to the user only (4.1.2.1)."""
    try:
        redirect_uri = _redirect_uri(exchange)
    except OAuthError as error:
        exchange.call.outcome = error.error
        return consent_page.error_page(exchange.provider.dialect.name, error.description)
    try:
        code_challenge = _check(exchange)
    except OAuthError as error:
        exchange.call.outcome = error.error
        return _redirect(exchange, redirect_uri, error.document)
    decision = _decision(exchange)
    if decision is None:
        exchange.call.outcome = "shown"
        dialect = exchange.provider.dialect
        client_id = exchange.query.values["client_id"]
        return consent_page.page(dialect.name, client_id, dialect.scopes(exchange.query.get("scope")), ACCOUNT)
    if decision.verdict == DENY:
        exchange.call.outcome = "denied"
        return _redirect(exchange, redirect_uri, OAuthError("access_denied", "the user denied access").document)
    return _approve(exchange, redirect_uri, code_challenge, decision)


def _redirect_uri(exchange: Exchange) -> str:
    client, query = exchange.provider.client, exchange.query
    if query.malformed:
        raise OAuthError("invalid_request", f"The request is malformed: {query.malformed}.")
    if client is None or query.get("client_id") != client.client_id:
        raise OAuthError("invalid_client", "No app with this client_id is registered.")
    redirect_uri = query.get("redirect_uri")
    if redirect_uri is None or not client.registered(redirect_uri):
        raise OAuthError("invalid_redirect_uri", "The redirect_uri doesn't exactly match one that the app registered.")
    return redirect_uri


def _check(exchange: Exchange) -> str | None:
    """The code_challenge; None if there is none, or if the provider ignores PKCE."""
    query = exchange.query
    if query.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be code")
    if query.get("state") is None:
        raise OAuthError("invalid_request", "state is missing")
    dialect = exchange.provider.dialect
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


def _decision(exchange: Exchange) -> Decision | None:
    """The user's decision from the page, a script's from the URL, or the one in the settings; None if there is none."""
    form, query = exchange.form.values, exchange.query.values
    if form.get("decision") in (APPROVE, DENY):
        granted = frozenset(scope for name, scope in form.items() if name.startswith(consent_page.SCOPE_FIELD))
        return Decision(form["decision"], form.get("account", ACCOUNT), granted)
    verdict = query.get("decision", exchange.provider.settings.decision)
    if verdict not in (APPROVE, DENY):
        return None
    granted = frozenset(query["grant"].split()) if "grant" in query else None
    return Decision(verdict, query.get("account", ACCOUNT), granted)


def _approve(exchange: Exchange, redirect_uri: str, code_challenge: str | None, decision: Decision) -> Response:
    provider = exchange.provider
    requested = provider.dialect.scopes(exchange.query.get("scope"))
    scopes = [scope for scope in requested if decision.granted is None or scope in decision.granted]
    client_id = exchange.query.values["client_id"]
    family = provider.tokens.add_consent(
        provider.slug, client_id, decision.account, scopes, scope_requested=bool(requested)
    )
    code = provider.tokens.issue_code(family, redirect_uri, code_challenge, provider.settings.code_life)
    exchange.call.outcome, exchange.call.code = "approved", code.value
    granted = {"scope": provider.dialect.scope_separator.join(scopes)} if requested else {}
    return _redirect(exchange, redirect_uri, {"code": code.value, **granted})


def _redirect(exchange: Exchange, redirect_uri: str, answer: dict[str, str]) -> Response:
    """Redirect to the app, with its state, and with the issuer if the provider sends it (RFC 9207)."""
    state, iss = exchange.query.get("state"), exchange.provider.dialect.iss
    parameters = {**answer, **({"state": state} if state else {}), **({"iss": iss} if iss else {})}
    separator = "&" if "?" in redirect_uri else "?"
    return responses.redirect(f"{redirect_uri}{separator}{urlencode(parameters, quote_via=quote)}")
