"""The value of each setting: what is wrong with it gets one line, with its name and never with the value."""

from __future__ import annotations

import base64

import pytest

from gateway.settings import Settings
from models.vault import make_key_command
from tests.gateway.settings.reader import (
    BREAK,
    CONTROL,
    DEV,
    FOLDER,
    INTROSPECTION,
    KEY,
    KEY_FORM,
    PRODUCTION,
    QUOTED,
    SPACE,
    URL,
    WAYS,
    Read,
)
from wire.tables import keys

SCOPES = "read:wearables, write:wearables, issue:sessions, read:audit, read:tokens, write:erasure"
ENTRY = "write client_id=scope,scope and separate clients with spaces"

# What is wrong with a setting by itself, and the full line that reports it.
REFUSED = [
    (
        "CLIENT_KEYS",
        "/CANARY/key.pem",
        "number 1 is not a file: write the paths of files, with spaces between them",
    ),
    ("AUTH", "CANARY", WAYS),
    ("AUTH", "DEV", WAYS),
    ("AUTH", "jwt+introspection", WAYS),
    ("AUTH", "dev\n", BREAK),
    ("AUTH", '"dev"', QUOTED),
    ("DATABASE_URL", "CANARY", "must be sqlite://PATH or postgres://user@host/database"),
    ("DATABASE_URL", "sqlite://", "must be sqlite://PATH, with the path of a file"),
    ("DATABASE_URL", "sqlite://~/CANARY.db", "has a `~`, which is not expanded: write the full path"),
    (
        "DATABASE_URL",
        "sqlite://CANARY.db?mode=ro",
        "has a `?`, which would be part of the file's name: sqlite://PATH takes no options",
    ),
    (
        "DATABASE_URL",
        "postgres://tendon:CANARY@database.example",
        "must name user, host and database: postgres://user@host/database",
    ),
    ("DATABASE_POOL", "0", "must be from 1 to 1000 connections"),
    ("DATABASE_POOL", "1001", "must be from 1 to 1000 connections"),
    ("DATABASE_POOL", "CANARY", "must be a whole number, such as 10"),
    ("DATABASE_POOL", "2.5", "must be a whole number, such as 10"),
    ("DATABASE_POOL", " 10", SPACE),
    ("DATABASE_TIMEOUT", "0.05", "must be from 0.1 to 60 seconds"),
    ("DATABASE_TIMEOUT", "60.01", "must be from 0.1 to 60 seconds"),
    ("RETENTION", "0", "must be from 0.01 to 3650 days"),
    ("RETENTION", "3651", "must be from 0.01 to 3650 days"),
    ("RETENTION", "7d", "must be a number, such as 7"),
    ("WORKER", "CANARY", "must be 1 or 0"),
    ("DATABASE_TIMEOUT", "5s", "must be a number, such as 5"),
    (
        "REDIRECT_URIS",
        "https://app.example/CANARY,https://app.example/cb",
        "entry 1 holds a comma or semicolon between URIs: separate URIs with spaces (inside one, write %2C or %3B)",
    ),
    (
        "REDIRECT_URIS",
        "/CANARY https://app.example/cb\nhttp://CANARY:*/cb",
        "entry 1 is not an absolute URI: write it whole, as in https://app.example/callback\n"
        "entry 3 has a `*`, which stands for the port of a loopback address only, as in "
        "http://127.0.0.1:*/callback: list each URI exactly (inside one, write %2A)",
    ),
    ("REDIRECT_URIS", "'https://app.example/cb https://app.example/b'", QUOTED),
    ("CATALOGUE", "/CANARY/nowhere", FOLDER),
    ("CATALOGUE", "~/CANARY", "has a `~`, which is not expanded: write the full path"),
    (
        "VAULT_KEYS",
        "CANARY",
        f"a vault key is `id:base64`, the id of letters, digits, `_` and `-`. {KEY_FORM}",
    ),
    ("VAULT_KEYS", "main:CANARY", f"the vault key main is not base64. {KEY_FORM}"),
    (
        "VAULT_KEYS",
        f"k2:{base64.b64encode(b'CANARY, CANARY, CANARY and so on').decode()}",
        f"the vault key k2 is a pattern or text, not random bytes: make one with `{make_key_command('k2')}`",
    ),
    ("VAULT_KEYS", "main:Q0FOQVJZ", f"the vault key main has 6 bytes, not 32. {KEY_FORM}"),
    ("VAULT_KEYS", f"{KEY} {KEY}", f"the vault key id main is listed twice. {KEY_FORM}"),
    ("VAULT_KEYS", f"{KEY},two:CANARY", "has a comma or semicolon: separate keys with spaces"),
    ("VAULT_KEYS", f"{KEY};two:CANARY", "has a comma or semicolon: separate keys with spaces"),
    ("VAULT_KEYS", f'"{KEY}"', QUOTED),
    ("VAULT_KEYS", " ", f"no vault key. {KEY_FORM}"),
    ("INTROSPECTION_URL", "CANARY", URL),
    ("INTROSPECTION_URL", "https://user:CANARY@login.example/", URL),
    ("INTROSPECTION_URL", "ftp://CANARY/", URL),
    ("INTROSPECTION_CLIENT_ID", "CANARY\n", BREAK),
    ("INTROSPECTION_CLIENT_ID", "'CANARY'", QUOTED),
    ("INTROSPECTION_CLIENT_SECRET", "CANARY\n", BREAK),
    ("INTROSPECTION_CLIENT_SECRET", "\tCANARY", SPACE),
    ("INTROSPECTION_CLIENT_SECRET", "CAN\nARY", CONTROL),
    ("INTROSPECTION_CLIENT_SECRET", "CAN\x01ARY", CONTROL),
    ("INTROSPECTION_CLIENT_SECRET", "CAN\x1fARY", CONTROL),
    ("INTROSPECTION_CLIENT_SECRET", "CAN\x7fARY", CONTROL),
    ("INTROSPECTION_CLIENT_SECRET", "CAN\x9fARY", CONTROL),
    ("JWKS_URL", "https://CANARY/#", URL),
    ("ISSUER", "https://CANARY.example/\udcff", "is not UTF-8: write it in UTF-8"),
    (
        "ISSUER",
        "https://CANARY.example https://b.example",
        "contains white space: write one value, as in the `iss` claim of tokens",
    ),
    ("AUDIENCE", "CANARY b", "contains white space: write one value, as in the `aud` claim of tokens"),
    ("SERVICES", "CANARY", f"entry 1 has no `=`: {ENTRY}"),
    (
        "SERVICES",
        "a=read:wearables, read:tokens",
        f"entry 1 has an empty scope: remove the extra comma\nentry 2 has no `=`: {ENTRY}",
    ),
    (
        "SERVICES",
        "CANARY a=read:token,,everything b=read:audit a=read:audit",
        f"entry 1 has no `=`: {ENTRY}\n"
        "entry 2 has an empty scope: remove the extra comma\n"
        f"entry 2, scope 1 is not a scope: did you mean read:tokens? The scopes are {SCOPES}\n"
        f"entry 2, scope 3 is not a scope: the scopes are {SCOPES}\n"
        "entry 4 names a client that an earlier entry names: give each client one entry",
    ),
    (
        "SERVICES",
        "a=read:wearables =read:tokens",
        f"entry 2 has no client id of 1 to 255 printable ASCII characters: {ENTRY}",
    ),
    ("SERVICES", "a=read:wearables,b=read:tokens", "entry 1 holds several clients: separate them with spaces"),
    ("SERVICES", "a=read:wearables;b=read:tokens", "entry 1 holds several clients: separate them with spaces"),
    ("SERVICES", "CANARY=", f"entry 1 has no scope: {ENTRY}; the scopes are {SCOPES}"),
    ("SERVICES", "a=read:tokens,read:tokens", "entry 1 has the scope read:tokens twice: write it once"),
    ("SERVICES", "a=read:tokens,read:tokens,read:tokens", "entry 1 has the scope read:tokens twice: write it once"),
    (
        "SERVICES",
        f"{'a' * 255}=read:tokens {'b' * 256}=read:tokens",
        f"entry 2 has no client id of 1 to 255 printable ASCII characters: {ENTRY}",
    ),
    (
        "SERVICES",
        "a=read:tokens b=read:audit a=read:audit",
        "entry 3 names a client that an earlier entry names: give each client one entry",
    ),
    (
        "SERVICES",
        "CANARY=read:wearables,read:token",
        f"entry 1, scope 2 is not a scope: did you mean read:tokens? The scopes are {SCOPES}",
    ),
    ("SERVICES", "CANARY=everything", f"entry 1, scope 1 is not a scope: the scopes are {SCOPES}"),
    ("SERVICES", "CANARY=*", f"entry 1, scope 1 is not a scope: the scopes are {SCOPES}"),
    ("PROVIDER_TIMEOUT", "CANARY", "must be a number, such as 10"),
    ("PROVIDER_TIMEOUT", "0", "must be more than 0 and at most 60 seconds"),
    ("PROVIDER_TIMEOUT", "-1", "must be more than 0 and at most 60 seconds"),
    ("PROVIDER_TIMEOUT", "60.1", "must be more than 0 and at most 60 seconds"),
    ("PROVIDER_TIMEOUT", "inf", "must be more than 0 and at most 60 seconds"),
    ("PROVIDER_TIMEOUT", "nan", "must be more than 0 and at most 60 seconds"),
    ("PROVIDER_TIMEOUT", "\N{FULLWIDTH DIGIT FIVE}", "must be a number, such as 10"),
    ("CONCURRENCY", "0", "must be from 1 to 1000 requests"),
    ("CONCURRENCY", "1001", "must be from 1 to 1000 requests"),
    ("RATE_LIMIT", "100 a second", "must be off or a rate such as 100/second, 6000/minute or 100000/hour"),
    ("LOG_LEVEL", "CANARY", "must be DEBUG, INFO, WARNING or ERROR"),
    ("LOG_LEVEL", "warn", "must be DEBUG, INFO, WARNING or ERROR"),
    ("ACCOUNT_POLICY", "CANARY", "must be share or reject"),
    ("EXPLORE", "CANARY", "must be 1 or 0"),
    ("SANDBOX", "2", "must be 1 or 0"),
    ("CONNECT_PAGE", "CANARY", "must be 1 or 0"),
    ("KEEP_ALIVE", "0", "must be from 1 to 3600 seconds"),
    ("KEEP_ALIVE", "3601", "must be from 1 to 3600 seconds"),
    ("KEEP_ALIVE", "7.5", "must be a whole number, such as 75"),
    ("KEEP_ALIVE", "\N{ARABIC-INDIC DIGIT FIVE}", "must be a whole number, such as 75"),
    ("ALLOW_PRIVATE_PROVIDERS", "ture", "must be 1 or 0"),
]


@pytest.mark.parametrize(("name", "value", "problem"), REFUSED)
def test_a_wrong_setting(read: Read, name: str, value: str, problem: str) -> None:
    assert read.lines(DEV | {name: value}) == [f"TENDON_{name}: {line}" for line in problem.splitlines()]


def test_every_setting_can_be_wrong() -> None:
    """A setting without a row above has a message that was never reviewed."""
    assert {name for name, _, _ in REFUSED} == {name.upper() for name in keys(Settings)}


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("DATABASE_POOL", "1", "1000"),
        ("DATABASE_TIMEOUT", "0.1", "60"),
        ("RETENTION", "0.01", "3650"),
        ("PROVIDER_TIMEOUT", "0.001", "60"),
        ("CONCURRENCY", "1", "1000"),
        ("KEEP_ALIVE", "1", "3600"),
    ],
)
def test_the_bounds_of_a_number_are_allowed(read: Read, name: str, least: str, most: str) -> None:
    for value in (least, most):
        assert getattr(read(DEV | {name: value}), name.lower()) == float(value)


def test_quotation_marks_may_be_part_of_a_secret_or_stand_alone(read: Read) -> None:
    secret = {"INTROSPECTION_CLIENT_SECRET": "'CANARY'"}
    kept = read(PRODUCTION | INTROSPECTION | secret).introspection_client_secret
    assert kept is not None
    assert kept == "'CANARY'"
    for value in ("'", '"', "'x", "x'", "'x\""):
        assert read(DEV | {"INTROSPECTION_CLIENT_ID": value}).introspection_client_id == value


@pytest.mark.parametrize("level", ["debug", "Debug", "DEBUG"])
def test_the_log_level_in_any_case(read: Read, level: str) -> None:
    assert read(DEV | {"LOG_LEVEL": level}).log_level == "DEBUG"
