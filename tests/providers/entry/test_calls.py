"""What an entry asks with a new access token, and the API that it is for."""

from __future__ import annotations

import pytest

from providers.adapters import adapters_with
from tests.providers.entry.reading import problems, read, table

ME = "url = 'https://acme.example/me'\nfield = 'user.0.id'\n"
URL = "url = 'https://acme.example/users'\n"
ADAPTERS = adapters_with("after_exchange")


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("account", ME),
        ("account", ME + "method = 'POST'"),
        ("account", ME + "method = 'POST'\nform = {a = 'b'}\nheaders = {X = 'y'}"),
        ("account", ME + "method = 'GET'\nform = {}"),
        ("granted", ME),
        *(("after_exchange", f"{URL}adapter = '{name}'") for name in ADAPTERS),
        ("api", "base = 'https://api.acme.example:8443/v1/'\nheaders = {X = 'y'}"),
    ],
)
def test_what_is_accepted(name: str, lines: str) -> None:
    assert read(table(name, lines))


@pytest.mark.parametrize(
    ("name", "lines", "problem"),
    [
        ("account", "url = 'https://acme.example/me'", "field: is missing"),
        ("account", "field = 'id'", "url: is missing"),
        ("account", ME.replace("https", "http"), "url: must be https"),
        ("account", ME.replace("/me", "/{account}"), "url: uses {account}, which has no default in [variables]"),
        ("account", ME + "method = 'DELETE'", "method: must be one of 'GET' or 'POST'"),
        ("account", ME + "form = {a = 'b'}", "form: can't go with GET: only a POST has a form"),
        ("account", ME + "method = 'PUT'\nform = {a = 'b'}", "method: must be one of 'GET' or 'POST'"),
        ("account", ME + "method = 'POST'\nform = {client_secret = 'b'}", "form: must not have client_secret, which "),
        ("granted", "url = 'https://acme.example/me'", "field: is missing"),
        ("granted", ME.replace("user.0.id", "a."), "field: must be names separated by dots"),
        ("after_exchange", URL, "adapter: is missing"),
        ("after_exchange", f"adapter = '{ADAPTERS[0]}'", "url: is missing"),
        *(
            (
                "after_exchange",
                f"{URL}adapter = '{name}'",
                f"adapter: must be the name of an adapter in providers/adapters: {' or '.join(ADAPTERS)}",
            )
            for name in ("withings", "__init__", "", "../adapters/polar", "polar.py")
        ),
        ("after_exchange", f"{URL}adapter = 7", "adapter: must be a string"),
        ("api", "", "base: is missing"),
        ("api", "base = 'http://api.acme.example'", "base: must be https"),
        ("api", "base = 'https://a.example/?a=b'", "base: must not have a query or fragment"),
        ("api", "base = 'https://a.example/#a'", "base: must not have a query or fragment"),
    ],
)
def test_what_is_refused(name: str, lines: str, problem: str) -> None:
    (found,) = problems(table(name, lines))
    assert found.startswith(f"{name}.{problem}")


def test_the_base_of_the_api_has_no_slash_at_its_end() -> None:
    api = read(table("api", "base = 'https://api.acme.example/v1/'")).api
    assert api is not None
    assert (api.base, api.headers, api.paging, api.limits) == ("https://api.acme.example/v1", {}, None, ())
