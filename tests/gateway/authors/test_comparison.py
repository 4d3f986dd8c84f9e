"""What an author is told about answers that are not as the entry says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.authors.comparison import ids_in, of_account, of_refresh, of_token_answer, of_unreadable
from providers.token_answer import TokenAnswer, read_token_answer
from tests.providers.entries import provider
from wire.http.response import Response

NOW = datetime(2026, 11, 30, tzinfo=UTC)
TOKENS = {"access_token": "a", "refresh_token": "r", "expires_in": 3600, "scope": "sleep offline"}
SCOPES = "scopes = ['sleep', 'offline']\n"


def answered(document: Any, token: str = "", authorize: str = SCOPES) -> TokenAnswer:
    entry = provider(authorize=authorize, token=token)
    return read_token_answer(entry, Response(200, json.dumps(document).encode()), NOW)


def said(document: Any, token: str = "", authorize: str = SCOPES, redirect: dict[str, str] | None = None) -> list[str]:
    entry = provider(authorize=authorize, token=token)
    return list(of_token_answer(entry, document, answered(document, token, authorize), redirect or {}))


def test_an_answer_as_the_entry_says() -> None:
    assert said(TOKENS) == []
    assert said({"body": TOKENS}, "root = 'body'") == []


@pytest.mark.parametrize(
    ("change", "token", "difference"),
    [
        (
            {"expires_in": None},
            "",
            'there is no expires_in, although expires = "expires_in": it may be "jwt" or "never"',
        ),
        (
            {"expires_in": None, "expires_at": 1_800_000_000},
            "",
            'there is no expires_in, although expires = "expires_in": write expires = "expires_at"',
        ),
        ({}, "expires = 'never'", 'there is expires_in, although expires = "never"'),
        ({}, "refresh = 'none'", 'there is a refresh token, although refresh = "none"'),
        (
            {"refresh_token": None},
            "",
            'there is no refresh token, although refresh = "rotating": is a scope missing?',
        ),
        ({"scope": "sleep"}, "", "not granted, although requested: offline"),
        ({"scope": "sleep offline steps"}, "", "granted, although not requested: steps"),
        (
            {"scope": None},
            "",
            "neither the redirect nor the token answer has the granted scopes: all that were requested count",
        ),
        (
            {"refresh_token_expires_in": 86400},
            "",
            "refresh_token_expires_in says how long refresh tokens live: write it as refresh_expires in [token]",
        ),
    ],
)
def test_an_answer_that_differs(change: dict[str, Any], token: str, difference: str) -> None:
    assert said(TOKENS | change, token) == [difference]


def test_scopes_with_another_separator() -> None:
    assert (
        said(TOKENS | {"scope": "sleep,offline"})[0] == "a granted scope contains ',': that may be the scope_separator"
    )


def test_what_the_redirect_has() -> None:
    assert said(TOKENS | {"scope": None}, redirect={"scope": "sleep offline"}) == []
    found = said(TOKENS, redirect={"iss": "https://acme.example"})
    assert found == ["the redirect has `iss` (RFC 9207): write its value as iss in [authorize]"]


def test_tokens_that_are_elsewhere() -> None:
    assert list(of_unreadable(provider(), {"data": TOKENS})) == [
        'access_token is at data.access_token: write root = "data" in [token]'
    ]
    assert list(of_unreadable(provider(token="root = 'body'"), TOKENS)) == [
        "access_token is at access_token: leave out root in [token]"
    ]
    (found,) = of_unreadable(provider(), {"code": 7})
    assert "add a row to [[token.errors]]" in found
    assert list(of_unreadable(provider(), None)) == []


@pytest.mark.parametrize(
    ("document", "path"),
    [({"data": {"token": "x", "expires_in": 3600}}, "data.token"), ({"accessToken": "x"}, "accessToken")],
)
def test_a_token_of_another_name(document: Any, path: str) -> None:
    assert list(of_unreadable(provider(), document)) == [
        f"{path} may be the access token, but Tendon finds it only if it is called access_token"
    ]


def test_where_the_account_may_be() -> None:
    document = TOKENS | {"user": {"id": 7, "name": "Sam"}, "client_id": "x", "id_token": "e.y.J", "openId": "o"}
    assert ids_in(document) == ["user.id", "openId"]
    entry = provider(token="account = 'user_id'", tables="[account]\nurl = 'https://a.example'\nfield = 'id'")
    assert list(of_account(entry, document, {"data": {"uuid": "u"}}, None)) == [
        'there is no id at account = "user_id" of the token answer',
        'there is no id at field = "id" of the answer of [account]',
        "paths in the token answer that look like an id: user.id, openId",
        "paths in the answer of [account] that look like an id: data.uuid",
        'there is an id_token: account_claim = "sub" in [token] takes the id from it',
    ]
    assert list(of_account(entry, document, None, "7")) == []


@pytest.mark.parametrize(
    ("mode", "change", "difference"),
    [
        ("rotating", {}, 'the refresh token stayed the same, although refresh = "rotating"'),
        ("rotating", {"refresh_token": None}, 'the refresh token stayed the same, although refresh = "rotating"'),
        ("reusable", {"refresh_token": "r2"}, 'the refresh token was replaced, although refresh = "reusable"'),
        (
            "extending",
            {"access_token": "a2"},
            'the refresh returned a new access token, although refresh = "extending"',
        ),
    ],
)
def test_a_refresh_that_differs(mode: str, change: dict[str, Any], difference: str) -> None:
    entry = provider(token=f"refresh = '{mode}'")
    (found,) = of_refresh(entry, answered(TOKENS), answered(TOKENS | change))
    assert found.startswith(difference)


@pytest.mark.parametrize("mode", ["rotating", "reusable"])
def test_a_refresh_as_the_entry_says(mode: str) -> None:
    change = {"access_token": "a2", "refresh_token": "r2" if mode == "rotating" else "r"}
    assert list(of_refresh(provider(token=f"refresh = '{mode}'"), answered(TOKENS), answered(TOKENS | change))) == []
