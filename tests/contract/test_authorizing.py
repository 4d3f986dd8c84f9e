"""The authorization request: exactly what the entry says, and nothing else."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from providers.authorization import authorization_url, challenge, new_state, new_verifier
from providers.catalogue import Catalogue, Credentials, read_catalogue
from tests.conftest import REDIRECT_URI, credentials
from tests.contract.flow import Flow
from tests.contract.places import VENDORS, Place, everywhere, those

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
# The strictest that vendors document: at least 8 characters (WHOOP), letters and digits, at most 128 (COROS).
STATE = re.compile(r"[A-Za-z0-9]{40,128}")


@pytest.fixture(scope="module")
def real() -> Catalogue:
    return read_catalogue(VENDORS, variables=credentials(VENDORS), allow_private=True)


def expected(place: Place, client_id: str) -> dict[str, str]:
    """The parameters that are the same for all users."""
    params = {"response_type": "code", "client_id": client_id, "redirect_uri": REDIRECT_URI}
    if place.requested:
        params["scope"] = place.separator.join(place.requested)
    if place.authorize.get("pkce", "S256") == "S256":
        params["code_challenge_method"] = "S256"
    return params | place.authorize.get("params", {})


@everywhere
def test_the_url_is_exact(real: Catalogue, place: Place) -> None:
    entry = real[place.slug].at_sites[place.site] if place.site else real[place.slug]
    url, state, verifier = place.authorize["url"], new_state(), new_verifier()
    has_pkce = place.authorize.get("pkce", "S256") == "S256"
    built = authorization_url(
        entry,
        Credentials("the client", "secret"),
        redirect_uri=REDIRECT_URI,
        state=state,
        code_challenge=challenge(verifier) if has_pkce else None,
    )
    # A page that routes in the browser has its parameters after `#/`.
    assert built.startswith(f"{url}{'&' if '?' in (url.partition('#')[2] or url) else '?'}")
    found = parse_qsl(built[len(url) + 1 :], keep_blank_values=True, strict_parsing=True)
    wanted = expected(place, "the client") | {"state": state}
    wanted |= {"code_challenge": challenge(verifier)} if has_pkce else {}
    assert sorted(found) == sorted(wanted.items())
    assert " " not in built
    assert "+" not in built[len(url) :]


@everywhere
async def test_what_a_user_is_sent_with(flow: Flow, place: Place) -> None:
    sent, another = await flow.authorize(), await flow.authorize()
    state, code_challenge = sent.pop("state"), sent.pop("code_challenge", None)
    url = urlsplit(place.authorize["url"])
    own = dict(parse_qsl(url.query) + parse_qsl(url.fragment.partition("?")[2]))
    assert sent == own | expected(place, f"client-{place.slug}")
    assert STATE.fullmatch(state)
    assert state != another["state"]
    assert (code_challenge is not None) == (place.authorize.get("pkce", "S256") == "S256")
    assert code_challenge is None or CHALLENGE.fullmatch(code_challenge)
    assert code_challenge is None or code_challenge != another["code_challenge"]


@those(lambda place: "iss" in place.authorize and place.slug != "sandbox")
async def test_the_issuer_of_the_redirect_is_checked(flow: Flow, place: Place) -> None:
    callback = await flow.consent()
    assert callback["iss"] == place.authorize["iss"]
    assert (await flow.complete(callback | {"iss": "https://another.example"})).code == "VALIDATION_ERROR"
    assert (await flow.complete(callback)).code is None
