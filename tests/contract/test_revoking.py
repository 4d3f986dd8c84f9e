"""Access is given back in the way that the entry says, and what the provider answers is understood."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from providers.errors import ErrorAnswer, Meaning
from providers.revocation import RevocationOutcome, Tokens, revoke
from tests.contract.flow import new_account
from tests.contract.places import Place, those
from tests.contract.tokens import Registered, soon

CONFIRMED, REFUSED = RevocationOutcome.CONFIRMED, RevocationOutcome.CREDENTIAL_REFUSED
ABOUT_US = {
    "client_secret_post": ("client_id", "client_secret"),
    "private_key_jwt": ("client_assertion", "client_assertion_type"),
    "none": ("client_id",),
}
revoking = those(lambda place: place.revoke)


async def give_back(at: Registered, tokens: Tokens) -> RevocationOutcome:
    return await revoke(at.client, at.provider, at.credentials, tokens, deadline=soon())


async def calls(at: Registered, tokens: Tokens) -> list[dict[str, Any]]:
    """The revocations of this account."""
    return [call for call in await at.sandbox.calls(at.place.slug, "revoke") if call["account"] == tokens.account]


async def endings(at: Registered, account: str | None) -> list[str | None]:
    return [family["ended"] for family in await at.sandbox.families(account or "", at.place.slug)]


@revoking
async def test_access_ends(registration: Registered) -> None:
    tokens, others = await registration.tokens(), await registration.tokens()
    assert await give_back(registration, tokens) is CONFIRMED
    assert not await registration.sandbox.accepts(tokens.access_token)
    assert await registration.sandbox.accepts(others.access_token)
    assert [call["outcome"] for call in await calls(registration, tokens)] == ["revoked"]


@revoking
async def test_how_much_ends(registration: Registered, place: Place) -> None:
    account = new_account()
    first, _ = await registration.tokens(account), await registration.tokens(account)
    assert await give_back(registration, first) is CONFIRMED
    kept = None if place.revocation.get("ends", "grant") == "token" else "revoked"
    assert await endings(registration, account) == ["revoked", kept]


@revoking
async def test_what_is_sent(registration: Registered, place: Place) -> None:
    """Tokens stand in a URL only where the entry puts them, and the client's secret never does."""
    tokens = await registration.tokens()
    await give_back(registration, tokens)
    (call,) = await calls(registration, tokens)
    rule, sent = place.revocation, list(call["query"].values())
    secrets = {tokens.access_token, tokens.refresh_token, registration.credentials.client_secret}
    assert len(secrets.intersection(sent)) == rule["url"].partition("?")[2].count("_token}")
    if "adapter" in rule:
        return
    assert (call["method"], call["headers"].keys()) == (rule.get("method", "POST"), rule.get("headers", {}).keys())
    auth: str = rule.get("auth", "client_secret_basic")
    assert call["auth"] == ("none" if auth == "anonymous" else auth)
    in_form = set(ABOUT_US.get(auth, ())) | rule.get("params", {}).keys() | ({"token"} if "token" in rule else set())
    assert call["form"].keys() == in_form


@revoking
async def test_access_that_has_ended_already(registration: Registered, place: Place) -> None:
    tokens = await registration.tokens()
    await registration.sandbox.end(tokens.account or "", place.slug)
    tells_apart = any(row["meaning"] == "grant_over" for row in place.revocation.get("errors", []))
    is_known = tells_apart or not place.revokes_by_access_token
    if is_known or not place.marks_revocations:
        assert await give_back(registration, tokens) is (CONFIRMED if is_known else REFUSED)
    else:
        with pytest.raises(ErrorAnswer, match="unclear"):
            await give_back(registration, tokens)


@those(lambda place: place.revokes_by_access_token and not place.marks_revocations)
async def test_an_access_token_that_may_only_have_expired(registration: Registered) -> None:
    tokens = await registration.tokens()
    assert await give_back(registration, replace(tokens, access_token="made-up")) is REFUSED
    assert await endings(registration, tokens.account) == [None]
    assert await give_back(registration, tokens) is CONFIRMED


@revoking
async def test_what_is_missing_for_a_revocation(registration: Registered, place: Place) -> None:
    tokens = await registration.tokens()
    for name in ("account", "refresh_token"):
        outcome = await give_back(registration, replace(tokens, **{name: None}))
        needed = place.revocation_needs(name)
        assert outcome is (RevocationOutcome.IMPOSSIBLE if needed else CONFIRMED)
        if not needed:
            tokens = await registration.tokens()


@those(lambda place: not place.revoke)
async def test_a_provider_without_revocation_is_not_asked(registration: Registered, place: Place) -> None:
    tokens = await registration.tokens()
    assert await give_back(registration, tokens) is RevocationOutcome.IMPOSSIBLE
    assert await registration.sandbox.calls(place.slug, "revoke") == []
    assert await registration.sandbox.accepts(tokens.access_token)


@revoking
@pytest.mark.parametrize("fault", ["slow_down", "passing", "status_500"])
async def test_a_revocation_that_failed_is_not_taken_for_one(
    registration: Registered, place: Place, fault: str
) -> None:
    tokens = await registration.tokens()
    # The account of a signed revocation is known only once it was read.
    account = None if "adapter" in place.revocation else tokens.account
    await registration.sandbox.fault(place.slug, fault, endpoint="revoke", seconds=90, account=account)
    with pytest.raises(ErrorAnswer) as raised:
        await give_back(registration, tokens)
    assert raised.value.meaning in (Meaning.SLOW_DOWN, Meaning.TEMPORARY)
    assert fault == "status_500" or raised.value.retry_after == 90
    assert await endings(registration, tokens.account) == [None]


@those(lambda place: place.revoke and place.revocation.get("auth") not in ("bearer", "anonymous"))
async def test_a_wrong_credential(registration: Registered, place: Place) -> None:
    tokens = await registration.tokens()
    wrong = replace(registration.credentials, client_id="another", client_secret="wrong")
    with pytest.raises(ErrorAnswer) as raised:
        await revoke(registration.client, registration.provider, wrong, tokens, deadline=soon())
    rows = [row["meaning"] for row in place.revocation.get("errors", [])]
    tells = "misconfigured" in rows or not place.marks_revocations
    assert raised.value.meaning is (Meaning.MISCONFIGURED if tells else Meaning.UNCLEAR)
    assert await endings(registration, tokens.account) == [None]
