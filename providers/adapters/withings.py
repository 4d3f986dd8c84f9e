"""Withings: a revocation is signed over a nonce that has to be fetched first, and is answered by a `status` in an HTTP
200 (https://developer.withings.com/api-reference/#tag/oauth2/operation/oauth2-revoke, #tag/signature).
"""

from __future__ import annotations

import hmac
import time
from typing import Final
from urllib.parse import urlencode, urljoin

from msgspec import structs

from providers.credentials import Credentials
from providers.entry.error_rule import Success
from providers.entry.revoke import Revoke
from providers.revocation import RevocationOutcome, Tokens, read_revocation
from wire.http.client import Client, request
from wire.http.errors import UnreadableResponse
from wire.http.response import Response
from wire.strict_json import UnfitError, member_at, read_object

_SUCCESS: Final = Success(field="status", equals=0)
_LONGEST_NONCE: Final = 1024


async def revoke(
    client: Client, rule: Revoke, credentials: Credentials, tokens: Tokens, *, deadline: float, latest: float
) -> RevocationOutcome:
    """Revoke all tokens of the account, which must be known. The nonce is good for one request within 30 minutes."""
    if tokens.account is None:
        return RevocationOutcome.IMPOSSIBLE
    rule = structs.replace(rule, success=_SUCCESS)

    async def send(url: str, form: dict[str, str]) -> Response:
        asking = request("POST", url, form=urlencode(form))
        return await client.send(asking, deadline=deadline, latest=latest, retry_refused=True)

    signing = _signed(credentials, "getnonce", timestamp=str(int(time.time())))
    answer = await send(urljoin(rule.url, "signature"), signing)
    read_revocation(rule, answer)
    form = _signed(credentials, "revoke", nonce=_nonce(answer)) | {"userid": tokens.account}
    return read_revocation(rule, await send(rule.url, form))


def _signed(credentials: Credentials, action: str, **once: str) -> dict[str, str]:
    """The parameters of an action and their signature, which is over their values in this order."""
    params = {"action": action, "client_id": credentials.client_id, **once}
    signature = hmac.digest((credentials.client_secret or "").encode(), ",".join(params.values()).encode(), "sha256")
    return {**params, "signature": signature.hex()}


def _nonce(answer: Response) -> str:
    try:
        nonce = member_at(read_object(answer.content), "body.nonce")
    except UnfitError:
        nonce = None
    # What is not printable, such as half of a surrogate pair, can't be signed.
    if not isinstance(nonce, str) or not nonce.isprintable() or not 0 < len(nonce) <= _LONGEST_NONCE:
        raise UnreadableResponse("it has no nonce", answer.status)
    return nonce
