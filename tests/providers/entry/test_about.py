"""What an entry says to people: registration, lifecycle, scopes in words, sites and sources."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.providers.entry.reading import authorize, problems, read, table, top

SOURCE = """
[[sources]]
facts = "revocation"
url = "https://acme.example/docs#revoke"
seen = 2026-11-30
sure = "documented"
"""
LONG = "x" * 1000


def source(key: str, value: str) -> str:
    lines = [line for line in SOURCE.splitlines() if not line.startswith(f"{key} =")]
    return top("") + "\n".join([*lines, f"{key} = {value}"])


def scopes(lines: str) -> str:
    return table("scopes", lines)


@pytest.mark.parametrize(
    "text",
    [
        *(top(f"category = '{category}'") for category in ("wearable", "health_record", "other")),
        table("registration", ""),
        table("registration", "portal = 'https://acme.example/apps#x'\nredirect = 'prefix'"),
        table("registration", f"secrets = ['a', '{'a' * 63}', 'key_2', 'client_id_2']\nnote = '{LONG}'"),
        table("lifecycle", ""),
        table("lifecycle", f"sign_ups = 'held'\nends = 2026-12-31\nnote = '{LONG}'"),
        scopes(f"a = '{'x' * 300}'\n'read:b' = 'b'\n'https://acme.example/c' = 'c'\n'{'d' * 256}' = 'd'"),
        scopes(""),
        authorize("scopes = ['a', 'b']") + "[scopes]\na = 'a'\nb = 'b'\nc = 'c'",
        table("sites.us", f"name = '{'x' * 100}'"),
        table("sites.0-a_b", "name = 'x'\nvariables = { v = 'us' }\noffered = false"),
        top("") + SOURCE + SOURCE.replace("documented", "unverified"),
        source("note", f"'{LONG}'"),
    ],
)
def test_what_is_accepted(text: str) -> None:
    assert read(text)


NAMED = "named with 1 to 63 lower-case letters, digits and `_`, and begin with a letter"


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        (top("category = 'watch'"), "category", "must be one of 'wearable', "),
        (table("registration", "portal = 'acme.example'"), "registration.portal", "must be an http or https URL"),
        (table("registration", "portal = 'http://acme.example'"), "registration.portal", "must be https"),
        (table("registration", "redirect = 'path'"), "registration.redirect", "must be one of 'exact', 'prefix' or "),
        (table("registration", "secrets = 'key'"), "registration.secrets", "must be a list"),
        (table("registration", "secrets = ['']"), "registration.secrets.0", f"must be {NAMED}"),
        (table("registration", "secrets = ['a', 'Key']"), "registration.secrets.1", f"must be {NAMED}"),
        (table("registration", "secrets = ['a-b']"), "registration.secrets.0", f"must be {NAMED}"),
        (table("registration", f"secrets = ['{'a' * 64}']"), "registration.secrets.0", f"must be {NAMED}"),
        (table("registration", "secrets = [7]"), "registration.secrets.0", "must be a string"),
        (table("registration", "secrets = ['client_id']"), "registration.secrets.0", "has the name of a credential"),
        (table("registration", "secrets = ['b_client_secret']"), "registration.secrets.0", "has the name of a cred"),
        *(
            (
                table("registration", f"secrets = ['{name}']"),
                "registration.secrets.0",
                f"must not be {name}, which {{{name}}} stands for already",
            )
            for name in ("account", "access_token", "refresh_token")
        ),
        (table("registration", "note = ''"), "registration.note", "must not be empty"),
        (table("registration", f"note = '{LONG}x'"), "registration.note", "must have 1000 characters at most"),
        (table("lifecycle", "sign_ups = 'ended'"), "lifecycle.sign_ups", "must be one of 'open', 'review', "),
        (table("lifecycle", "ends = '2026-12-31'"), "lifecycle.ends", "must be a date"),
        (table("lifecycle", "ends = 2026-12-31T00:00:00Z"), "lifecycle.ends", "must be a date"),
        (scopes("a = ''"), "scopes.a", "must not be empty"),
        (scopes("a = 7"), "scopes.a", "must be a string"),
        (scopes(f"a = '{'x' * 301}'"), "scopes.a", "must have 300 characters at most"),
        (scopes("'a b' = 'x'"), "scopes.a b", "must be a scope"),
        (scopes("'' = 'x'"), "scopes.", "must be a scope"),
        (scopes(f"'{'a' * 257}' = 'x'"), f"scopes.{'a' * 257}", "must have 256 characters at most"),
        (top("scopes = ['a']"), "scopes", "must be a table"),
        (
            authorize("scopes = ['a', 'b', 'c']") + "[scopes]\nb = 'b'",
            "scopes",
            "must have a sentence for each requested scope, also for a, c",
        ),
        (table("sites.us", ""), "sites.us.name", "is missing"),
        (table("sites.us", f"name = '{'x' * 101}'"), "sites.us.name", "must have 100 characters at most"),
        (table("sites.us", "name = 'x'\noffered = 'no'"), "sites.us.offered", "must be true or false"),
        (table("sites.us", "name = 'x'\nvariables = { v = 7 }"), "sites.us.variables.v", "must be a string"),
        (table("sites.US", "name = 'x'"), "sites.US", "must be 1 to 63 lower-case letters, digits, `_` and `-`"),
        (table("sites._us", "name = 'x'"), "sites._us", "must be 1 to 63 lower-case letters, digits, `_` and `-`"),
        (table(f"sites.{'a' * 64}", "name = 'x'"), f"sites.{'a' * 64}", "must be 1 to 63 lower-case letters"),
        (top("sites = ['us']"), "sites", "must be a table"),
        (source("seen", "'2026-11-30'"), "sources.0.seen", "must be a date"),
        (source("sure", "'yes'"), "sources.0.sure", "must be one of 'documented', 'implementations' or 'unverified'"),
        (source("url", "'fs:7'"), "sources.0.url", "must be an http or https URL"),
        (source("facts", "''"), "sources.0.facts", "must not be empty"),
        (
            top("") + "[[sources]]\nfacts = 'x'\nurl = 'https://acme.example'\nsure = 'documented'",
            "sources.0.seen",
            "is missing",
        ),
        (table("sources", "facts = 'x'"), "sources", "must be a list"),
    ],
)
def test_what_is_refused(text: str, key: str, problem: str) -> None:
    (found,) = problems(text)
    assert found.startswith(f"{key}: {problem}")


def test_defaults() -> None:
    entry = read(top(""))
    assert (entry.category, entry.scopes, entry.sites, entry.sources) == ("other", {}, {}, ())
    registration, lifecycle = entry.registration, entry.lifecycle
    assert (registration.portal, registration.redirect) == (None, "exact")
    assert (registration.secrets, registration.note) == ((), None)
    assert (lifecycle.sign_ups, lifecycle.ends, lifecycle.note) == ("open", None, None)


def test_what_is_read() -> None:
    entry = read(table("sites.us", "name = 'US'\nvariables = { v = 'us' }") + SOURCE)
    assert (entry.sites["us"].variables, entry.sites["us"].offered) == ({"v": "us"}, True)
    assert (entry.sources[0].seen, entry.sources[0].note) == (dt.date(2026, 11, 30), None)
    ends = read(table("lifecycle", "ends = 2026-12-31")).lifecycle.ends
    assert ends == dt.date(2026, 12, 31)
    assert type(ends) is dt.date
