"""Revokes tokens at a provider (RFC 7009), or does what the provider has in place of it."""

from __future__ import annotations

import math
from enum import Enum
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from providers.credentials import Credentials
from providers.entry.provider import Provider
from providers.entry.revoke import Revoke
from providers.entry.urls import ACCOUNT
from providers.error_answer import matching_rule, read_error, read_failure
from providers.errors import ErrorAnswer, Meaning, RequestFailed
from providers.oauth_client import form_request
from wire.http.client import Client, Request, request
from wire.http.response import SUCCESSES, Response
from wire.strict_json import UnfitError, read_object

_UNAUTHORIZED: Final = 401
# Segments of a path that stand for another one (RFC 3986 5.2.4), however they are encoded.
_DOTS: Final = (".", "..")


class Tokens(msgspec.Struct, frozen=True):
    """The tokens of one connection. `refresh_token` is None if the provider issued none, `account` if the provider's
    own id of the user is not known."""

    access_token: str
    refresh_token: str | None
    account: str | None = None

    def __repr__(self) -> str:
        return "Tokens()"


class RevocationOutcome(Enum):
    """What came of a revocation that did not fail."""

    CONFIRMED = "confirmed"
    """The provider says that the token is no longer valid. It also says so of tokens that it doesn't know (RFC 7009
    2.2), such as a refresh token that was replaced by another."""
    CREDENTIAL_REFUSED = "credential_refused"
    """The provider refused the access token that authorizes the request. It may only have expired, so nothing is known
    about the grant: revoke again with a fresh one."""
    IMPOSSIBLE = "impossible"
    """Nothing was sent: the entry has no `[revoke]`, or needs a token or an account, and there is none."""


async def revoke(
    client: Client,
    provider: Provider,
    credentials: Credentials,
    tokens: Tokens,
    *,
    deadline: float,
    latest: float = math.inf,
) -> RevocationOutcome:
    """Revoke `tokens` by the entry's `[revoke]`. `deadline` and `latest` are as for `Client.send`.

    Raises RequestFailed if the provider neither confirmed nor refused it; it may be sent again.
    """
    asking = _revocation_request(provider.revoke, credentials, tokens)
    if provider.revoke is None or asking is None:
        return RevocationOutcome.IMPOSSIBLE
    response = await client.send(asking, deadline=deadline, latest=latest, retry_refused=True)
    return read_revocation(provider.revoke, response)


def _revocation_request(rule: Revoke | None, credentials: Credentials, tokens: Tokens) -> Request | None:
    """None if there is no rule, or if a token or an account that belongs in the request is None."""
    if rule is None or (rule.needs_account and tokens.account is None):
        return None
    if ACCOUNT in rule.url and tokens.account in _DOTS:
        return None
    form = {name: value.replace(ACCOUNT, tokens.account or "") for name, value in rule.params.items()}
    if rule.token is not None:
        token = {"access_token": tokens.access_token, "refresh_token": tokens.refresh_token}[rule.token]
        if token is None:
            return None
        form["token"] = token
    url = rule.url.replace(ACCOUNT, quote(tokens.account or "", safe=""))
    if rule.auth == "bearer":
        authorization = f"Bearer {tokens.access_token}"
        return request(rule.method, url, authorization=authorization, form=urlencode(form) or None)
    if rule.auth == "anonymous":
        return request(rule.method, url, form=urlencode(form) or None)
    return form_request(url, urlencode(form), credentials, rule.auth, method=rule.method)


def read_revocation(rule: Revoke, response: Response) -> RevocationOutcome:
    """What the provider answered. Raises RequestFailed."""
    if rule.auth == "bearer" and response.status == _UNAUTHORIZED:
        return RevocationOutcome.CREDENTIAL_REFUSED
    failure = _failure(rule, response)
    if failure is None or (isinstance(failure, ErrorAnswer) and failure.meaning is Meaning.GRANT_OVER):
        return RevocationOutcome.CONFIRMED
    raise failure


def _failure(rule: Revoke, response: Response) -> RequestFailed | None:
    """None for a success, whose body may be anything unless a row of the entry says that it is an error."""
    if response.status not in SUCCESSES:
        return read_failure(rule.errors, response)
    try:
        whole = read_object(response.content) if rule.errors else {}
    except UnfitError:
        whole = {}
    return None if matching_rule(rule.errors, response, whole) is None else read_error(rule.errors, response, whole)
