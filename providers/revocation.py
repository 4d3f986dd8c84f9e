"""Revokes tokens that nobody will use: RFC 7009, or what the provider has in its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode

from providers.answer import reading
from providers.client_authentication import form_request
from providers.credentials import Credentials
from providers.error_answer import read_failure
from providers.provider import Provider, Revoke
from wire.http.client import ProviderClient, send_patiently
from wire.http.request import Request, request


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one connection. `refresh_token` is None if the provider issued none."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)


async def revoke(
    client: ProviderClient, provider: Provider, credentials: Credentials, tokens: Tokens, *, deadline: float
) -> bool:
    """Revoke `tokens`, and return whether the provider confirmed it. `deadline` is a time of the running loop.

    Returns False without a request if the entry has no `[revoke]`, or if the token that it names is None. The provider
    confirms unknown tokens, too (RFC 7009 2.2). Raises ProviderFault.
    """
    rule = provider.revoke
    if rule is None:
        return False
    form = _form(rule, tokens)
    if form is None:
        return False
    asking = _request(rule, credentials, tokens.access_token, form)
    answer = await send_patiently(client, asking, deadline=deadline)
    if answer.failed:
        raise read_failure((), answer)
    with reading(answer):
        return True


def _form(rule: Revoke, tokens: Tokens) -> dict[str, str] | None:
    """None if the token that belongs in it is None."""
    if rule.token is None:
        return dict(rule.params)
    token = {"access_token": tokens.access_token, "refresh_token": tokens.refresh_token}[rule.token]
    return None if token is None else {**rule.params, "token": token}


def _request(rule: Revoke, credentials: Credentials, access_token: str, form: dict[str, str]) -> Request:
    encoded = urlencode(form)
    if rule.auth != "bearer":
        return form_request(rule.url, encoded, credentials, rule.auth, method=rule.method)
    return request(rule.method, rule.url, authorization=f"Bearer {access_token}", form=encoded or None)
