"""Catalogue entries, read as dialects."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.dialect import BearerCall, Dialect, DialectError, Revocation, Success, read_dialects
from sandbox.oauth import OAuthError
from sandbox.responses import token_error
from tests.sandbox.entries import ACME, ENTRIES, STRAVA


def read(text: str) -> Dialect:
    return Dialect.read(tomllib.loads(text))


def test_an_entry_with_all_keys() -> None:
    assert read(ACME) == Dialect(
        slug="acme",
        name="Acme Ring",
        offered=("sleep", "offline"),
        scope_separator=" ",
        pkce="S256",
        pkce_checked=True,
        iss="https://acme.example",
        auth="client_secret_basic",
        params={"action": "requesttoken"},
        refresh_params={},
        root="body",
        success=Success("status", 0),
        errors=(),
        expires="expires_in",
        refresh="rotating",
        refresh_grace=0,
        reuse="revokes",
        separate_refresh=True,
        account="user_id",
        revocation=Revocation(
            method="POST",
            auth="client_secret_basic",
            token="refresh_token",
            params={"token_type_hint": "refresh_token"},
            errors=(),
            ends="grant",
            segments=(),
            query={},
            headers={},
            adapter=None,
            success=None,
        ),
        authorize_params={"access_type": "offline"},
        account_call=BearerCall("id"),
        queries={"authorize": {}, "token": {}, "refresh": {}, "after_exchange": {}},
    )


def test_how_refreshing_and_revocation_differ() -> None:
    whoop, polar, form = (read(ENTRIES[slug]) for slug in ("whoop", "polar", "form"))
    assert (whoop.refresh_params, form.refresh_grace, form.reuse) == ({"scope": "offline"}, 30, "refused")
    assert whoop.revocation
    assert [error.meaning for error in whoop.errors_at("revoke")] == ["grant_over", "slow_down"]
    assert [error.values for error in whoop.errors_at("token")] == [("bad_code", "bad_refresh")]
    assert polar.revocation
    assert (polar.revocation.ends, polar.revocation.segments, polar.errors_at("revoke")) == (
        "account",
        ("{account}",),
        (),
    )


def test_the_defaults_are_those_of_the_rfcs() -> None:
    dialect = read('slug = "a"\nname = "A"\n[authorize]\nurl = "x"\n[token]\nurl = "y"\n')
    assert (dialect.scope_separator, dialect.pkce, dialect.auth) == (" ", "S256", "client_secret_basic")
    assert (dialect.expires, dialect.refresh, dialect.separate_refresh) == ("expires_in", "rotating", False)
    assert (dialect.iss, dialect.root, dialect.success, dialect.revocation) == (None, None, None, None)


@pytest.mark.parametrize(
    ("good", "bad", "named"),
    [
        ('name = "Acme Ring"', "", "name"),
        ('name = "Acme Ring"', 'name = ""', "name"),
        ('pkce = "S256"', 'pkce = "plain"', "pkce"),
        ('refresh = "rotating"', 'refresh = "sometimes"', "refresh"),
        ('expires = "expires_in"', "expires = 3600", "expires"),
        ('token = "refresh_token"', "", "token"),
        ("[token]", "[tokens]", "token"),
    ],
)
def test_an_error_names_the_key(good: str, bad: str, named: str) -> None:
    with pytest.raises(DialectError, match=f"'s {named} "):
        read(ACME.replace(good, bad))


ERRORS = """
[[token.errors]]
field = "errors.0.resource"
equals = ["AuthorizationCode", "RefreshToken"]
meaning = "grant_over"

[[token.errors]]
status = 403
field = "message"
starts_with = "Client"
meaning = "misconfigured"

[[token.errors]]
status = 420
meaning = "slow_down"
wait = "body.wait.0"

[[token.errors]]
field = "a.1"
meaning = "passing"
wait_header = "X-Wait"
"""


def test_errors_have_the_form_that_the_entry_defines() -> None:
    dialect = read(STRAVA.replace("[account]", f"{ERRORS}[account]"))

    def response(error: str, status: int = 400) -> tuple[int, Any, Mapping[str, str]]:
        made = token_error(dialect, OAuthError(error, "because", status=status), wait=9)
        return made.status_code, json.loads(bytes(made.body)), made.headers

    assert response("invalid_grant")[:2] == (400, {"errors": [{"resource": "AuthorizationCode"}]})
    assert response("invalid_client", 401)[:2] == (403, {"message": "Client"})
    assert response("slow_down", 429)[1] == {
        "error": "slow_down",
        "error_description": "because",
        "body": {"wait": [9]},
    }
    status, body, headers = response("temporarily_unavailable", 503)
    assert (status, body, headers["x-wait"]) == (503, {"a": [None, "sample"]}, "9")
    assert response("invalid_scope")[1] == {"error": "invalid_scope", "error_description": "because"}


@pytest.mark.parametrize(
    ("equals", "refused", "client"), [("0", 503, 401), ('"0"', "503", "401"), ("true", False, False)]
)
def test_a_failure_is_marked_by_a_value_of_the_type_of_success(equals: str, refused: object, client: object) -> None:
    dialect = read(ENTRIES["withings"].replace("equals = 0", f"equals = {equals}"))
    for error, mark in (("invalid_grant", refused), ("invalid_client", client)):
        made = token_error(dialect, OAuthError(error, "because"), wait=9)
        assert json.loads(bytes(made.body)) == {"status": mark, "error": "Invalid Params: because"}


def test_what_a_request_must_have_besides_tokens() -> None:
    suunto, garmin, zepp = (read(ENTRIES[slug]) for slug in ("suunto", "garmin", "zepp"))
    assert (suunto.secrets, suunto.token_headers) == (
        ("subscription_key",),
        {"Ocp-Apim-Subscription-Key": "{subscription_key}"},
    )
    assert suunto.headers_at("api") == {**suunto.token_headers, "X-App": "app {client_id}"}
    assert suunto.revocation
    assert suunto.revocation.query == {"client_id": "{client_id}"}
    assert garmin.granted_call
    assert (garmin.granted_call.path, garmin.granted_call.query) == ("data.permissions", {"all": "1"})
    assert (garmin.offered, garmin.refresh_expires) == (("ACTIVITY_EXPORT", "HEALTH_EXPORT"), 7776000)
    assert zepp.account_call == BearerCall("userId", "POST", {"fields": "userId"})
    assert (zepp.routed_in_browser, zepp.queries["authorize"]) == (True, {"lang": "en", "app": "1"})
    assert zepp.queries["refresh"] == {"kind": "long"}


def test_where_a_revocation_has_its_token() -> None:
    oura, coros, huawei, dexcom, withings = (
        read(ENTRIES[slug]).revocation for slug in ("oura", "coros", "huawei", "dexcom", "withings")
    )
    assert oura
    assert coros
    assert huawei
    assert dexcom
    assert withings
    assert (oura.auth, oura.token, oura.query) == ("anonymous", None, {"access_token": "{access_token}"})
    assert (coros.token, coros.headers) == (None, {"token": "{access_token}"})
    assert (huawei.auth, huawei.token) == ("anonymous", "access_token")
    assert dexcom.segments == ("{account}", "t-{refresh_token}")
    assert withings.adapter == "withings"


def test_each_site_has_a_dialect_of_its_own() -> None:
    us, eu = read_dialects(tomllib.loads(ENTRIES["dexcom"]))
    assert (us.key, us.site, us.iss) == ("dexcom/us", "us", "https://api.dexcom.example")
    assert (eu.key, eu.site, eu.iss) == ("dexcom/eu", "eu", "https://api.dexcom-eu.example")
    assert eu.authorize_params == {"aud": "https://api.dexcom-eu.example"}
    (alone,) = read_dialects(tomllib.loads(ACME))
    assert (alone.key, alone.site) == ("acme", "")
