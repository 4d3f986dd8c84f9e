"""The authorization endpoint of an entry."""

from __future__ import annotations

import pytest

from tests.providers.entry.reading import authorize, problems, read

LONG = "a" * 256


@pytest.mark.parametrize(
    "lines",
    [
        f"scopes = ['{LONG}', '!', '~']",
        "scope_separator = ','\nscopes = ['a:b']",
        "iss = 'https://acme.example/path'",
        "pkce = 'none'\npkce_checked = false",
        "denied = 'state_only'",
        "params = {aud = 'x {v}', a = ''}",
    ],
)
def test_what_is_accepted(lines: str) -> None:
    assert read(authorize(lines))


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (f"scopes = ['a', '{LONG}a']", "scopes.1: must have 256 characters at most"),
        ("scopes = ['']", "scopes.0: must be printable ASCII characters without a space"),
        ("scopes = ['é']", "scopes.0: must be printable ASCII characters without a space"),
        ("scopes = 'a'", "scopes: must be a list"),
        ("scope_separator = ''", "scope_separator: must not be empty"),
        ("scope_separator = ''\nscopes = ['a']", "scope_separator: must not be empty"),
        ("scope_separator = ', '", "scope_separator: must have 1 characters at most"),
        ("scope_separator = ':'\nscopes = ['a', 'b:c']", "scopes: must not have the separator in a scope"),
        ("pkce = 'plain'", "pkce: must be one of 'S256' or 'none'"),
        ("denied = 'silent'", "denied: must be one of 'error' or 'state_only'"),
        ("params = {aud = '{host}'}", "params: uses {host}, which has no default in [variables]"),
        ("params = {aud = 7}", "params.aud: must be a string"),
        ("iss = 'http://acme.example'", "iss: must be https"),
        *(
            (f"iss = 'https://acme.example{tail}'", "iss: must not have a query or fragment")
            for tail in ("#", "?", "/#/")
        ),
    ],
)
def test_what_is_refused(lines: str, problem: str) -> None:
    (found,) = problems(authorize(lines))
    assert found.startswith(f"authorize.{problem}")


@pytest.mark.parametrize(
    "name",
    ["response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"],
)
def test_parameters_that_are_filled_in(name: str) -> None:
    found = problems(authorize(f"params = {{a = 'b', {name} = 'x'}}"))
    assert found == [f"authorize.params: must not have {name}, which is filled in"]


def test_variables_are_replaced_in_parameters() -> None:
    assert read(authorize("params = {aud = 'https://{v}/{v}'}")).authorize.params == {"aud": "https://value/value"}


def test_defaults() -> None:
    found = read(authorize("")).authorize
    assert (found.scopes, found.scope_separator, found.pkce, found.pkce_checked) == ((), " ", "S256", True)
    assert (found.params, found.denied, found.iss) == ({}, "error", None)
