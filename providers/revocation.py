"""Revokes tokens at a provider (RFC 7009), or does what the provider has in place of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Final, Protocol, cast
from urllib.parse import quote, urlencode

import msgspec
from msgspec import structs

from providers.adapters import load
from providers.credentials import Credentials
from providers.entry.headers import CLIENT_ID, filled
from providers.entry.provider import Provider
from providers.entry.revoke import UNAUTHORIZED, Revoke
from providers.entry.urls import ACCOUNT
from providers.error_answer import is_success, matching_rule, read_error, read_failure
from providers.errors import ErrorAnswer, Meaning, RequestFailed
from providers.oauth_client import form_request
from wire.http.client import Client, Request, request
from wire.http.response import SUCCESSES, Response
from wire.strict_json import UnfitError, read_object

_MAX_URL: Final = 60_000
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

    def by_name(self) -> dict[str, str]:
        """Those that are known, by their names in an entry."""
        return {name: value for name, value in structs.asdict(self).items() if value is not None}


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


class Adapter(Protocol):
    """What an adapter for `[revoke]` has (`providers/adapters/`)."""

    async def revoke(
        self,
        client: Client,
        rule: Revoke,
        credentials: Credentials,
        tokens: Tokens,
        *,
        deadline: float,
        latest: float,
    ) -> RevocationOutcome:
        """Revoke `tokens` at `rule.url`. All requests together end by `deadline` and `latest`. Raises RequestFailed."""
        ...


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
    rule = provider.revoke
    if rule is None:
        return RevocationOutcome.IMPOSSIBLE
    if rule.adapter is not None:
        adapter = cast("Adapter", load(rule.adapter))
        return await adapter.revoke(client, rule, credentials, tokens, deadline=deadline, latest=latest)
    asking = _revocation_request(rule, credentials, tokens, provider.token.url)
    if asking is None:
        return RevocationOutcome.IMPOSSIBLE
    response = await client.send(asking, deadline=deadline, latest=latest, retry_refused=True)
    return read_revocation(rule, response)


def _revocation_request(rule: Revoke, credentials: Credentials, tokens: Tokens, audience: str = "") -> Request | None:
    """None if a token or an account that belongs in the request is not known, or can't stand in the URL. `audience` is
    as for `form_request`."""
    known = tokens.by_name()
    url = _url(rule.url, {CLIENT_ID: credentials.client_id, **known}) if rule.needs <= known.keys() else None
    if url is None:
        return None
    form = {name: value.replace(f"{{{ACCOUNT}}}", known.get(ACCOUNT, "")) for name, value in rule.params.items()}
    if rule.token is not None:
        form["token"] = known[rule.token]
    headers, encoded, personal = credentials.fill(rule.headers, **known), urlencode(form), rule.is_personal
    if rule.auth in ("bearer", "anonymous"):
        authorization = f"Bearer {tokens.access_token}" if rule.auth == "bearer" else None
        return request(
            rule.method, url, authorization=authorization, headers=headers, form=encoded or None, personal=personal
        )
    return form_request(
        url,
        encoded,
        credentials,
        rule.auth,
        method=rule.method,
        headers=headers,
        personal=personal,
        audience=audience,
    )


def _url(template: str, values: Mapping[str, str]) -> str | None:
    """The URL with these values, percent-encoded. None if it would be another path (RFC 3986 5.2.4), or too long."""
    url = filled(template, {name: quote(value, safe="") for name, value in values.items()})
    before, after = (text.partition("?")[0].split("/") for text in (template, url))
    if any(one in _DOTS and one != other for one, other in zip(after, before, strict=True)) or len(url) > _MAX_URL:
        return None
    return url


def read_revocation(rule: Revoke, response: Response) -> RevocationOutcome:
    """What the provider answered. Raises RequestFailed."""
    if rule.is_authorized_by_access_token and response.status == UNAUTHORIZED:
        return RevocationOutcome.CREDENTIAL_REFUSED
    failure = _failure(rule, response)
    if failure is None or (isinstance(failure, ErrorAnswer) and failure.meaning is Meaning.GRANT_OVER):
        return RevocationOutcome.CONFIRMED
    raise failure


def _failure(rule: Revoke, response: Response) -> RequestFailed | None:
    """None for a success, whose body may be anything unless the entry says how a success or an error is to be seen."""
    if response.status not in SUCCESSES:
        return read_failure(rule.errors, response)
    if not rule.errors and rule.success is None:
        return None
    try:
        whole = read_object(response.content)
    except UnfitError:
        whole = {}
    if matching_rule(rule.errors, response, whole) is None and is_success(rule.success, whole):
        return None
    return read_error(rule.errors, response, whole)
