"""The authorization endpoint (RFC 6749 4.1.1): checks the request, asks the person or a script, sends back a code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from starlette.responses import Response

from sandbox import consent, reply
from sandbox.exchange import Exchange
from sandbox.refusal import Refusal

APPROVE, DENY = "approve", "deny"
ACCOUNT = "sam"

_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided and by whom: `granted` None means every scope that was asked for."""

    verdict: str
    account: str
    granted: frozenset[str] | None


def authorize(exchange: Exchange) -> Response:
    """A page, or a redirect to the app. An unknown app or redirect_uri is told to the person only (4.1.2.1)."""
    try:
        redirect_uri = _redirect_uri(exchange)
    except Refusal as refused:
        exchange.call.outcome = refused.error
        return consent.error_page(exchange.provider.dialect.name, refused.description)
    try:
        code_challenge = _check(exchange)
    except Refusal as refused:
        exchange.call.outcome = refused.error
        return _back(exchange, redirect_uri, refused.document)
    decision = _decision(exchange)
    if decision is None:
        exchange.call.outcome = "shown"
        dialect = exchange.provider.dialect
        client_id = exchange.query.values["client_id"]
        return consent.page(dialect.name, client_id, dialect.scopes(exchange.query.get("scope")), ACCOUNT)
    if decision.verdict == DENY:
        exchange.call.outcome = "denied"
        return _back(exchange, redirect_uri, Refusal("access_denied", "The person said no.").document)
    return _approve(exchange, redirect_uri, code_challenge, decision)


def _redirect_uri(exchange: Exchange) -> str:
    client, query = exchange.provider.client, exchange.query
    if query.malformed:
        raise Refusal("invalid_request", f"The request can't be read: {query.malformed}.")
    if client is None or query.get("client_id") != client.client_id:
        raise Refusal("invalid_client", "No app with this client_id is registered here.")
    redirect_uri = query.get("redirect_uri")
    if redirect_uri is None or not client.registered(redirect_uri):
        raise Refusal("invalid_redirect_uri", "The app did not register this redirect_uri, character by character.")
    return redirect_uri


def _check(exchange: Exchange) -> str | None:
    """The code_challenge, None without PKCE and if PKCE is ignored."""
    query = exchange.query
    if query.get("response_type") != "code":
        raise Refusal("unsupported_response_type", "response_type has to be code")
    if query.get("state") is None:
        raise Refusal("invalid_request", "state is missing")
    dialect = exchange.provider.dialect
    if not dialect.pkce_checked:
        return None
    code_challenge = query.get("code_challenge")
    if code_challenge is None and dialect.pkce == "none":
        return None
    if code_challenge is None or not _CHALLENGE.fullmatch(code_challenge):
        raise Refusal("invalid_request", "code_challenge is missing or malformed")
    if query.get("code_challenge_method") != "S256":
        raise Refusal("invalid_request", "code_challenge_method has to be S256")
    return code_challenge


def _decision(exchange: Exchange) -> Decision | None:
    """The person's, from the page; the script's, from the address; or the one that stands for all requests."""
    form, query = exchange.form.values, exchange.query.values
    if form.get("decision") in (APPROVE, DENY):
        granted = frozenset(scope for name, scope in form.items() if name.startswith(consent.SCOPE_FIELD))
        return Decision(form["decision"], form.get("account", ACCOUNT), granted)
    verdict = query.get("decision", exchange.provider.settings.decision)
    if verdict not in (APPROVE, DENY):
        return None
    granted = frozenset(query["grant"].split()) if "grant" in query else None
    return Decision(verdict, query.get("account", ACCOUNT), granted)


def _approve(exchange: Exchange, redirect_uri: str, code_challenge: str | None, decision: Decision) -> Response:
    provider = exchange.provider
    asked = provider.dialect.scopes(exchange.query.get("scope"))
    scopes = [scope for scope in asked if decision.granted is None or scope in decision.granted]
    client_id = exchange.query.values["client_id"]
    family = provider.ledger.consent(provider.slug, client_id, decision.account, scopes, scope_asked=bool(asked))
    code = provider.ledger.give_code(family, redirect_uri, code_challenge, provider.settings.code_life)
    exchange.call.outcome, exchange.call.code = "approved", code.value
    granted = {"scope": provider.dialect.scope_separator.join(scopes)} if asked else {}
    return _back(exchange, redirect_uri, {"code": code.value, **granted})


def _back(exchange: Exchange, redirect_uri: str, answer: dict[str, str]) -> Response:
    """To the app, with its state, and the issuer where the dialect sends it (RFC 9207)."""
    state, iss = exchange.query.get("state"), exchange.provider.dialect.iss
    parameters = {**answer, **({"state": state} if state else {}), **({"iss": iss} if iss else {})}
    joint = "&" if "?" in redirect_uri else "?"
    return reply.redirect(f"{redirect_uri}{joint}{urlencode(parameters, quote_via=quote)}")
