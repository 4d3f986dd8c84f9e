"""What only some providers need between the exchange of a code and the use of the tokens: a question for the granted
scopes, and what an adapter does. Whose account it is, `oauth_client.py` asks."""

from __future__ import annotations

from typing import cast

from providers.adapters import load
from providers.entry.provider import Provider
from providers.error_answer import read_failure
from providers.token_answer import checked_scopes
from wire.http.client import Client, request
from wire.http.errors import UnreadableResponse
from wire.http.response import SUCCESSES
from wire.strict_json import UnfitError, member_at, read_object


async def find_granted(
    client: Client, provider: Provider, access_token: str, deadline: float
) -> tuple[str, ...] | None:
    """The granted scopes, from the endpoint in the entry's `[granted]`; None without that table. There may be none at
    all. `deadline` is a time of the running loop. Raises RequestFailed."""
    granted = provider.granted
    if granted is None:
        return None
    asking = request("GET", granted.url, authorization=f"Bearer {access_token}")
    response = await client.send(asking, deadline=deadline, retry_refused=True)
    if response.status not in SUCCESSES:
        raise read_failure((), response)
    try:
        found = member_at(read_object(response.content), granted.field)
        if not isinstance(found, list):
            raise UnfitError("the list of scopes is missing")  # noqa: TRY301 - as for all other faults of an answer
        return checked_scopes(cast("list[object]", found), provider.token.scope_prefix) or ()
    except UnfitError as unfit:
        raise UnreadableResponse(str(unfit), response.status) from None


async def make_usable(
    client: Client, provider: Provider, access_token: str, user: str, *, deadline: float, latest: float
) -> None:
    """Do what the adapter in the entry's `[after_exchange]` does, without which the access token is of no use; nothing
    without that table. `user` is an id of the user that the provider may see. `deadline` and `latest` are as for
    `Client.send`. Doing it again does no harm. Raises RequestFailed."""
    rule = provider.after_exchange
    if rule is not None:
        await load(rule.adapter).after_exchange(client, rule, access_token, user, deadline=deadline, latest=latest)
