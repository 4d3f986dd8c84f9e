"""Catalogue entries: read as dialects, and with their URLs replaced by the sandbox's."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.dialect import Dialect, DialectError, Revocation, Success, rebase
from sandbox.oauth import OAuthError
from sandbox.responses import token_error
from tests.sandbox.entries import ACME, ENTRIES, SANDBOX, STRAVA

BASE = "http://127.0.0.1:8000/sandbox"


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
        account_field="id",
        revocation=Revocation(
            method="POST",
            auth="client_secret_basic",
            token="refresh_token",
            params={"token_type_hint": "refresh_token"},
            errors=(),
            ends="grant",
            of_account=False,
        ),
    )


def test_how_refreshing_and_revocation_differ() -> None:
    whoop, polar, form = (read(ENTRIES[slug]) for slug in ("whoop", "polar", "form"))
    assert (whoop.refresh_params, form.refresh_grace, form.reuse) == ({"scope": "offline"}, 30, "refused")
    assert whoop.revocation
    assert [error.meaning for error in whoop.errors_at("revoke")] == ["grant_over", "slow_down"]
    assert [error.values for error in whoop.errors_at("token")] == [("bad_code", "bad_refresh")]
    assert polar.revocation
    assert (polar.revocation.ends, polar.revocation.of_account, polar.errors_at("revoke")) == ("account", True, ())


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


def test_rebase_changes_the_urls_and_nothing_else() -> None:
    entry = tomllib.loads(rebase(ACME, BASE))
    assert entry["authorize"].pop("url") == f"{BASE}/acme/authorize"
    assert entry["token"].pop("url") == f"{BASE}/acme/token"
    assert entry["token"].pop("refresh_url") == f"{BASE}/acme/refresh"
    assert entry["account"].pop("url") == f"{BASE}/acme/account"
    assert entry["revoke"].pop("url") == f"{BASE}/acme/revoke"
    before = tomllib.loads(ACME)
    for table in ("authorize", "token", "account", "revoke"):
        del before[table]["url"]
    del before["token"]["refresh_url"]
    assert entry == before
    assert "# optional, else url" in rebase(ACME, BASE)


def test_rebase_changes_the_base_of_the_api_and_keeps_the_account_in_a_url() -> None:
    whoop, polar = (tomllib.loads(rebase(ENTRIES[slug], BASE)) for slug in ("whoop", "polar"))
    assert whoop["api"]["base"] == f"{BASE}/whoop/api"
    assert polar["revoke"]["url"] == f"{BASE}/polar/revoke/{{account}}"
    text = SANDBOX + '[api]\nbase = "{origin}/api"\n[variables]\nbase = "x"\n'
    sandbox = tomllib.loads(rebase(text, BASE))
    assert (sandbox["api"]["base"], sandbox["variables"]["base"]) == (f"{BASE}/api", "x")


def test_the_paths_of_the_sandbox_entry_have_no_slug() -> None:
    entry = tomllib.loads(rebase(SANDBOX, f"{BASE}/"))
    assert entry["authorize"]["url"] == f"{BASE}/authorize"
    assert entry["token"]["url"] == f"{BASE}/token"
    assert entry["account"]["url"] == f"{BASE}/userinfo"
    assert entry["revoke"]["url"] == f"{BASE}/revoke"


@pytest.mark.parametrize("slug", ENTRIES)
def test_a_rebased_entry_has_the_same_dialect_and_no_other_host(slug: str) -> None:
    text = rebase(ENTRIES[slug], BASE)
    assert read(text) == read(ENTRIES[slug])
    assert all(url.startswith(f"{BASE}/") for url in urls(tomllib.loads(text)))


def test_windows_line_endings_are_kept() -> None:
    assert rebase(STRAVA.replace("\n", "\r\n"), BASE) == rebase(STRAVA, BASE).replace("\n", "\r\n")


def test_a_url_that_is_not_on_its_own_line_is_an_error() -> None:
    text = 'slug = "a"\nauthorize = { url = "https://a.example/authorize" }\n'
    with pytest.raises(DialectError, match="url"):
        rebase(text, BASE)


def urls(table: dict[str, Any]) -> list[str]:
    tables = [table.get(name, {}) for name in ("authorize", "token", "account", "revoke")]
    return [inner[key] for inner in tables for key in ("url", "refresh_url") if key in inner]
