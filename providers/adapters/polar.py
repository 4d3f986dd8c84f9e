"""Polar: a user must be registered with the app before the app gets any data
(https://www.polar.com/accesslink-api/#register-user)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from providers.error_answer import read_failure
from providers.errors import ErrorAnswer, Meaning, UnreadableResponse
from wire.http.client import Client, request
from wire.http.response import SUCCESSES

if TYPE_CHECKING:
    from providers.entry.calls import AfterExchange

_REGISTERED: Final = (200, 201)
_CONSENTS_MISSING: Final = 403
# A user is registered already, which does no harm, or another user has the same `member-id`. The pseudonym of the
# account is different for each account, so it is the former.
_REGISTERED_BEFORE: Final = 409


async def after_exchange(
    client: Client, rule: AfterExchange, access_token: str, user: str, *, deadline: float, latest: float
) -> None:
    """Register the user. Raises RequestFailed, which is a refusal of access if the user has not agreed to all that
    Polar requires."""
    document = json.dumps({"member-id": user}).encode()
    asking = request("POST", rule.url, authorization=f"Bearer {access_token}", json=document)
    response = await client.send(asking, deadline=deadline, latest=latest, retry_refused=True)
    status = response.status
    if status in _REGISTERED or status == _REGISTERED_BEFORE:
        return
    if status == _CONSENTS_MISSING:
        raise ErrorAnswer(None, status, Meaning.ACCESS_DENIED)
    if status in SUCCESSES:
        raise UnreadableResponse("the provider knows no such user", status)
    raise read_failure((), response)
