from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from providers.authorization import authorization_url, challenge, new_state, new_verifier, site_of
from providers.catalogue import Credentials, read_entry
from tests.providers.entries import CREDENTIALS, WITH_SITES, provider

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(deadline=None)
@given(client_id=TEXT, redirect_uri=TEXT, state=TEXT, code_challenge=TEXT)
def test_every_parameter_survives_encoding(client_id: str, redirect_uri: str, state: str, code_challenge: str) -> None:
    entry = provider(
        authorize="scopes = ['a:b', 'c']\nscope_separator = ';'\nparams = {prompt = 'x y&z', max_age = '0'}"
    )
    url = authorization_url(
        entry, Credentials(client_id, "CANARY"), redirect_uri=redirect_uri, state=state, code_challenge=code_challenge
    )
    base, _, query = url.partition("?")
    assert base == "https://acme.example/authorize"
    assert url.isascii()
    assert "+" not in query
    assert "CANARY" not in url
    assert parse_qsl(query, strict_parsing=True, keep_blank_values=True) == [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", redirect_uri),
        ("scope", "a:b;c"),
        ("state", state),
        ("code_challenge", code_challenge),
        ("code_challenge_method", "S256"),
        ("prompt", "x y&z"),
        ("max_age", "0"),
    ]


def test_absent_scope_and_challenge_are_left_out() -> None:
    url = authorization_url(
        provider(authorize="pkce = 'none'"),
        CREDENTIALS,
        redirect_uri="https://us.example",
        state="s",
        code_challenge=None,
    )
    assert [name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)] == [
        "response_type",
        "client_id",
        "redirect_uri",
        "state",
    ]


def test_a_challenge_is_sent_if_there_is_one() -> None:
    entry = provider(authorize="pkce = 'none'")
    url = authorization_url(entry, CREDENTIALS, redirect_uri="https://us.example", state="s", code_challenge="c")
    assert dict(parse_qsl(urlsplit(url).query))["code_challenge"] == "c"


def test_a_challenge_is_required_for_pkce() -> None:
    with pytest.raises(ValueError, match="code_challenge"):
        authorization_url(provider(), CREDENTIALS, redirect_uri="https://us.example", state="s", code_challenge=None)


@pytest.mark.parametrize(
    ("path", "begins"),
    [
        ("/authorize?audience=a", "/authorize?audience=a&response_type=code&"),
        ("/index.html#/", "/index.html#/?response_type=code&"),
        ("/index.html?v=2#/login", "/index.html?v=2#/login?response_type=code&"),
        ("/index.html#/login?lang=en", "/index.html#/login?lang=en&response_type=code&"),
    ],
)
def test_the_query_of_the_endpoint_is_kept(path: str, begins: str) -> None:
    authorize = structs.replace(provider().authorize, url=f"https://acme.example{path}")
    entry = structs.replace(provider(), authorize=authorize)
    url = authorization_url(entry, CREDENTIALS, redirect_uri="https://us.example", state="s", code_challenge="c")
    assert url.startswith(f"https://acme.example{begins}")


def test_a_verifier_and_its_challenge() -> None:
    verifier = new_verifier()
    assert new_verifier() != verifier
    assert len(verifier) == 64
    assert set(verifier) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
    digest = hashlib.sha256(verifier.encode()).digest()
    assert challenge(verifier) == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    # The example of RFC 7636, appendix B.
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_states_are_fresh_long_and_alphanumeric() -> None:
    states = {new_state() for _ in range(100)}
    assert len(states) == 100
    for state in states:
        assert state.isascii()
        assert state.isalnum()
        # A hexadecimal digit each: 160 bits.
        assert len(state) == 40


def test_the_state_of_a_site_shows_which_one_it_is(tmp_path: Path) -> None:
    """In letters and digits, as some providers accept no other characters."""
    (tmp_path / "acme.toml").write_text(WITH_SITES, "utf-8")
    entry = read_entry(tmp_path / "acme.toml", variables={})
    for site in ("us", "eu", "lab"):
        state, other = new_state(site), new_state(site)
        assert len(state) == 48
        assert re.fullmatch("[0-9a-f]+", state)
        assert state[:40] != other[:40]
        assert state[40:] == other[40:]
        assert site_of(entry, state) == site
        assert site_of(entry, state[:-1]) is None
        assert site_of(entry, state + "0") is None
    assert site_of(entry, new_state()) == ""
    assert len(new_state()) == 40
    assert site_of(entry, new_state("asia")) is None
