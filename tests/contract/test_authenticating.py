"""Each of our credentials is needed, and a wrong one is the operator's business."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from providers.catalogue import Credentials
from providers.client_keys import read_client_key
from providers.errors import ErrorAnswer, Meaning
from tests.client_keys import as_pem, rsa_key
from tests.contract.flow import new_account
from tests.contract.places import Place, everywhere
from tests.contract.tokens import Registered


def wrong_ones(place: Place, right: Credentials) -> Iterator[Credentials]:
    """All credentials of which one is wrong."""
    yield replace(right, client_id="another")
    if place.token.get("auth") == "private_key_jwt":
        yield replace(right, key=read_client_key(as_pem(rsa_key())))
    elif place.token.get("auth") != "none":
        yield replace(right, client_secret="wrong")
    for name in place.secrets_at("token"):
        yield replace(right, secrets={**right.secrets, name: "wrong"})


@everywhere
async def test_a_wrong_credential(registration: Registered, place: Place) -> None:
    code, verifier = await registration.consent(new_account())
    for wrong in wrong_ones(place, registration.credentials):
        with pytest.raises(ErrorAnswer) as raised:
            await registration.exchange(code, verifier, wrong)
        assert raised.value.meaning is (Meaning.MISCONFIGURED if place.tells_wrong_credentials else Meaning.UNCLEAR)
    # None of these requests has used up the code.
    assert (await registration.exchange(code, verifier)).access_token


@everywhere
async def test_how_we_authenticate(registration: Registered, place: Place) -> None:
    """As the entry says, and in no other way."""
    code, verifier = await registration.consent(new_account())
    await registration.exchange(code, verifier)
    (call,) = await registration.sandbox.exchanges(code)
    assert call["auth"] == place.token.get("auth", "client_secret_basic")
    assert call["headers"].keys() == place.token.get("headers", {}).keys()
    assert set(place.token.get("params", {}).items()) <= set(call["form"].items())
    assert registration.credentials.client_secret not in call["query"].values()
