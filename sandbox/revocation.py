"""The revocation endpoint (RFC 7009, with vendors' variants): by a token in the form, the URL or a header field, or as
bearer; of a family or a whole grant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from starlette.responses import Response

from sandbox import responses
from sandbox.assertions import authenticated
from sandbox.checks import check_form, check_headers
from sandbox.client import Client, bearer
from sandbox.dialect import ACCOUNT, Revocation, find_form
from sandbox.dialect.templates import matched
from sandbox.endpoint_request import EndpointRequest
from sandbox.oauth import OAuthError
from sandbox.resources import live_access_token
from sandbox.settings import Settings
from sandbox.token_store import ACCESS, REFRESH, REVOKED, Family, Token

_ABOUT_THE_CLIENT: Final = ("client_id", "client_secret", "client_assertion")


def revocation_endpoint(rule: Revocation) -> Callable[[EndpointRequest], Response]:
    """A revocation endpoint with this rule."""

    def respond(request: EndpointRequest) -> Response:
        try:
            token = _token_to_revoke(request, rule)
        except OAuthError as error:
            request.refused(error)
            return responses.endpoint_error(request.provider.dialect, error, "revoke")
        if token is None:
            return gone(request, _success(rule))
        end(request, token.family)
        return _success(rule)

    return respond


def end(request: EndpointRequest, family: Family) -> None:
    """End what a revocation of a token of the family ends."""
    settings = request.provider.behaviour_for(family)
    for one in [family] if settings.revoke_ends == "token" else family.grant.living:
        request.end(one, REVOKED)
    request.call.outcome = "revoked"


def gone(request: EndpointRequest, success: Response) -> Response:
    """The answer if nothing is left to revoke: a success (RFC 7009 2.2), unless the entry or the settings say
    otherwise."""
    request.call.outcome = "unknown_token"
    return _gone_error(request) or success


def _token_to_revoke(request: EndpointRequest, rule: Revocation) -> Token | None:
    """None if it is unknown or has ended. Raises OAuthError."""
    client = request.provider.client
    if client is None:
        raise OAuthError("invalid_client", "no app is registered", status=401)
    _check_client(request, rule)
    there = _in_url(request, rule, client) | check_headers(request, rule.headers)
    _check_account(request, rule, there)
    tokens: list[Token | None] = []
    if rule.token is not None:
        tokens.append(_known(request, rule.token, request.form.get("token") or _missing_token()))
    if REFRESH in there:
        tokens.append(_known(request, REFRESH, there[REFRESH]))
    # An access token that is not in the form authorizes the request.
    bearers = [bearer(request.authorization)] if rule.auth == "bearer" else []
    tokens += [_bearer(request, value) for value in (*bearers, *([there[ACCESS]] if ACCESS in there else []))]
    families = {token.family if token else None for token in tokens}
    if len(families) > 1:
        raise OAuthError("invalid_request", "the tokens are not of one consent")
    return tokens[0]


def _known(request: EndpointRequest, kind: str, value: str) -> Token | None:
    """The token; None if nothing is left of it. Raises OAuthError."""
    provider = request.provider
    token = provider.tokens.tokens.get(value)
    if token is None or token.family.grant.provider != provider.key:
        return None
    if token.kind != kind:
        raise OAuthError("unsupported_token_type", f"this provider revokes by {kind}")
    usable = provider.behaviour_for(token.family).revoke_by_used or token.state in ("live", "grace")
    return token if token.family.ended is None and usable else None


def _in_url(request: EndpointRequest, rule: Revocation, client: Client) -> dict[str, str]:
    """What stands in the URL at the placeholders of the entry. Raises OAuthError unless it has the form that the
    provider requires."""
    if request.query.malformed or request.query.values.keys() != rule.query.keys():
        raise OAuthError("invalid_request", "the parameters in the URL are not those of this endpoint")
    known = {"client_id": client.client_id}
    parts = [matched("/".join(rule.segments), request.path, known)]
    parts += [matched(template, request.query.values[name], known) for name, template in rule.query.items()]
    there: dict[str, str] = {}
    for part in parts:
        if part is None:
            raise OAuthError("invalid_request", "the URL does not have the form that this provider requires")
        there |= part
    return there


def _check_account(request: EndpointRequest, rule: Revocation, there: Mapping[str, str]) -> None:
    """Raises OAuthError unless the form has what the provider requires, and form and URL name the token's account."""
    account, params = request.call.account, rule.params
    if account is None:
        params = {name: value for name, value in params.items() if ACCOUNT not in value}
    if rule.token or rule.params:
        check_form(request, {name: value.replace(ACCOUNT, account or "") for name, value in params.items()})
    if account is not None and there.get("account", account) != account:
        raise OAuthError("invalid_request", "the URL names another account")


def _check_client(request: EndpointRequest, rule: Revocation) -> None:
    """Raises OAuthError unless the client authenticates as the provider requires."""
    if rule.auth == "anonymous":
        if request.authorization is not None or any(name in request.form.values for name in _ABOUT_THE_CLIENT):
            raise OAuthError("invalid_request", "this provider wants to know nothing of the client")
    elif rule.auth != "bearer" and (rule.auth != "none" or rule.method != "GET"):
        authenticated(request, rule.auth)


def _missing_token() -> NoReturn:
    raise OAuthError("invalid_request", "token is missing")


def _bearer(request: EndpointRequest, value: str | None) -> Token | None:
    """None if access has ended and the provider tells that apart; an expired token is an error like any other."""
    token = request.provider.tokens.find(ACCESS, value, request.provider.key)
    ended = token is not None and token.family.ended is not None
    if ended and (_settings(request).revoke_gone is not None or _gone_error(request) is not None):
        return None
    return live_access_token(request, value)


def _gone_error(request: EndpointRequest) -> Response | None:
    """How the provider says that there is nothing left to revoke; None if it doesn't."""
    status, dialect = _settings(request).revoke_gone, request.provider.dialect
    if status == 200:
        return None
    fault = OAuthError("invalid_token", "there is nothing to revoke", status=status or 400)
    if status is not None:
        return responses.error(fault)
    form = find_form(dialect.errors_at("revoke"), "grant_over", "token")
    return form and responses.token_error(dialect, fault, endpoint="revoke", form=form)


def _settings(request: EndpointRequest) -> Settings:
    provider = request.provider
    return provider.behaviour_for(request.family) if request.family else provider.settings


def _success(rule: Revocation) -> Response:
    if rule.success is None and rule.method == "DELETE":
        return responses.empty()
    return responses.document(responses.marked({}, rule.success))
