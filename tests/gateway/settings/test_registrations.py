"""Credentials for providers: each that is missing or wrong gets one line, whatever else is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app import create_app
from gateway.settings import read_environment
from gateway.settings.registrations import read_registrations
from tests.gateway.settings.reader import (
    BREAK,
    CONTROL,
    DEV,
    FOLDER,
    INTROSPECTION,
    PRODUCTION,
    PUBLIC,
    QUOTED,
    SPACE,
    WAYS,
    Read,
)
from tests.providers.entries import WITH_SITES

FOR_THE_CATALOGUE = [
    ("AUTH", "foo", WAYS),
    ("CATALOGUE", "/CANARY/nowhere", FOLDER),
    ("SANDBOX", "2", "must be 1 or 0"),
    ("ALLOW_PRIVATE_PROVIDERS", "2", "must be 1 or 0"),
]


@pytest.mark.parametrize(("name", "value", "problem"), FOR_THE_CATALOGUE)
def test_credentials_are_checked_whatever_else_is_wrong(
    read: Read, monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv("OURA_CLIENT_ID", "abc")
    monkeypatch.setenv("WHOOP_CLIENT_SECRET", " CANARY")
    assert read.lines(DEV | {name: value}) == [
        f"TENDON_{name}: {problem}",
        "OURA_CLIENT_SECRET: must be set, because OURA_CLIENT_ID is: set both, or neither to leave Oura out",
        f"WHOOP_CLIENT_SECRET: {SPACE}",
        "WHOOP_CLIENT_ID: must be set, because WHOOP_CLIENT_SECRET is: set both, or neither to leave WHOOP out",
    ]


@pytest.mark.parametrize(("name", "value", "problem"), FOR_THE_CATALOGUE)
def test_a_private_address_is_no_mistake_where_it_may_be_allowed(
    read: Read, tmp_path: Path, name: str, value: str, problem: str
) -> None:
    (tmp_path / "public.toml").write_text(PUBLIC.replace("https:", "http:"), encoding="utf-8")
    allowed = {"CATALOGUE": str(tmp_path), "ALLOW_PRIVATE_PROVIDERS": "1", name: value}
    assert f"TENDON_{name}: {problem}" in read.lines(PRODUCTION | INTROSPECTION | allowed)
    assert not any("public.toml" in line for line in read.lines(PRODUCTION | INTROSPECTION | allowed))


@pytest.mark.parametrize(
    ("credentials", "lines"),
    [
        (
            {"OURA_CLIENT_ID": "x"},
            ["OURA_CLIENT_SECRET: must be set, because OURA_CLIENT_ID is: set both, or neither to leave Oura out"],
        ),
        (
            {"OURA_CLIENT_SECRET": "CANARY", "OURA_CLIENT_ID": ""},
            ["OURA_CLIENT_ID: must be set, because OURA_CLIENT_SECRET is: set both, or neither to leave Oura out"],
        ),
        ({"OURA_CLIENT_ID": "x\n", "OURA_CLIENT_SECRET": "CANARY"}, [f"OURA_CLIENT_ID: {BREAK}"]),
        ({"OURA_CLIENT_ID": "'x'", "OURA_CLIENT_SECRET": "CANARY"}, [f"OURA_CLIENT_ID: {QUOTED}"]),
        ({"OURA_CLIENT_ID": "x", "OURA_CLIENT_SECRET": "CANARY "}, [f"OURA_CLIENT_SECRET: {SPACE}"]),
        ({"OURA_CLIENT_ID": "x", "OURA_CLIENT_SECRET": "CAN\rARY"}, [f"OURA_CLIENT_SECRET: {CONTROL}"]),
        (
            {"OURA_CLIENT_ID": "x", "OURA_CLIENT_SECRET": "CANARY\udcff"},
            ["OURA_CLIENT_SECRET: is not UTF-8: write it in UTF-8"],
        ),
        ({"OURA_CLIENT_ID": "x", "OURA_CLIENT_SECRET": "'CANARY'"}, []),
        ({"PUBLIC_CLIENT_ID": "x"}, []),
        (
            {"PUBLIC_CLIENT_SECRET": "CANARY"},
            [
                "PUBLIC_CLIENT_ID: must be set, because PUBLIC_CLIENT_SECRET is: "
                "set both, or neither to leave Public out"
            ],
        ),
        ({"SANDBOX_CLIENT_ID": "x"}, []),
    ],
)
def test_credentials(
    read: Read, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, credentials: dict[str, str], lines: list[str]
) -> None:
    (tmp_path / "public.toml").write_text(PUBLIC, encoding="utf-8")
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    settings = DEV | {"CATALOGUE": str(tmp_path)}
    if lines:
        assert read.starting(settings).splitlines() == lines
    else:
        create_app(read(settings), read_environment(), "http://127.0.0.1:8000")


SUBSCRIBED = """
slug = "acme"
name = "Acme"
docs = "https://acme.example"
[registration]
secrets = ["subscription_key", "other"]
[authorize]
url = "https://acme.example/authorize"
[token]
url = "https://acme.example/token"
[api]
base = "https://acme.example"
headers = { X-Client = "{client_id}" }
"""
ALL = {
    "ACME_CLIENT_ID": "x",
    "ACME_CLIENT_SECRET": "CANARY \N{SNOWMAN}",
    "ACME_SUBSCRIPTION_KEY": "CANARY",
    "ACME_OTHER": "CANARY",
}
TOGETHER = "set all of them, or none to leave Acme out"
NOT_ASCII = "is sent in a header field, which must be ASCII: remove any other character"


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        ({}, []),
        (dict.fromkeys(ALL, ""), []),
        ({"ACME_OTHER": ""}, [f"ACME_OTHER: must be set, because ACME_CLIENT_ID is: {TOGETHER}"]),
        (
            {"ACME_CLIENT_ID": "", "ACME_CLIENT_SECRET": "", "ACME_OTHER": ""},
            [
                f"ACME_CLIENT_ID: must be set, because ACME_SUBSCRIPTION_KEY is: {TOGETHER}",
                f"ACME_CLIENT_SECRET: must be set, because ACME_SUBSCRIPTION_KEY is: {TOGETHER}",
                f"ACME_OTHER: must be set, because ACME_SUBSCRIPTION_KEY is: {TOGETHER}",
            ],
        ),
        ({"ACME_OTHER": "CANARY\r\nX: y"}, [f"ACME_OTHER: {CONTROL}"]),
        ({"ACME_OTHER": "CANARY\n"}, [f"ACME_OTHER: {BREAK}"]),
        ({"ACME_OTHER": "CANARY\N{SNOWMAN}"}, [f"ACME_OTHER: {NOT_ASCII}"]),
        ({"ACME_CLIENT_ID": "\N{SNOWMAN}"}, [f"ACME_CLIENT_ID: {NOT_ASCII}"]),
        ({"ACME_OTHER": "'CANARY'"}, []),
    ],
)
def test_further_secrets(
    read: Read, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changed: dict[str, str], lines: list[str]
) -> None:
    """What would break the head of a request is found at the start."""
    (tmp_path / "acme.toml").write_text(SUBSCRIBED, encoding="utf-8")
    for name, value in (ALL | changed).items():
        monkeypatch.setenv(name, value)
    settings = DEV | {"CATALOGUE": str(tmp_path)}
    if lines:
        assert read.starting(settings).splitlines() == lines
    else:
        create_app(read(settings), read_environment(), "http://127.0.0.1:8000")


def test_a_client_id_that_no_header_field_has_may_be_any_text(
    read: Read, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "acme.toml").write_text(SUBSCRIBED.replace("{client_id}", "1"), encoding="utf-8")
    for name, value in (ALL | {"ACME_CLIENT_ID": "\N{SNOWMAN}"}).items():
        monkeypatch.setenv(name, value)
    create_app(read(DEV | {"CATALOGUE": str(tmp_path)}), read_environment(), "http://127.0.0.1:8000")


SHARED = {"ACME_CLIENT_ID": "x", "ACME_CLIENT_SECRET": "CANARY"}
OF_EU = {"ACME_EU_CLIENT_ID": "y", "ACME_EU_CLIENT_SECRET": "CANARY"}
AT_EU = "set both, or neither to leave Acme Ring at Europe out"


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ({}, []),
        (SHARED, ["acme", "acme/eu", "acme/lab", "acme/us"]),
        (OF_EU, ["acme/eu"]),
        (SHARED | OF_EU, ["acme", "acme/eu", "acme/lab", "acme/us"]),
        (
            SHARED | OF_EU | {"ACME_EU_CLIENT_SECRET": ""},
            [f"ACME_EU_CLIENT_SECRET: must be set, because ACME_EU_CLIENT_ID is: {AT_EU}"],
        ),
        (
            {"ACME_EU_CLIENT_SECRET": "CANARY"},
            [f"ACME_EU_CLIENT_ID: must be set, because ACME_EU_CLIENT_SECRET is: {AT_EU}"],
        ),
        (
            {"ACME_CLIENT_ID": "x"},
            ["ACME_CLIENT_SECRET: must be set, because ACME_CLIENT_ID is: set both, or neither to leave Acme Ring out"],
        ),
        (SHARED | OF_EU | {"ACME_EU_CLIENT_ID": "'y'"}, [f"ACME_EU_CLIENT_ID: {QUOTED}"]),
        (
            SHARED | {"ACME_SITES": "us,CANARY"},
            [
                "ACME_SITES: number 2 is not a site of Acme Ring: "
                "write the ids of some, with commas between them: us, eu, lab"
            ],
        ),
    ],
)
def test_credentials_of_sites(
    read: Read, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, str], lines: list[str]
) -> None:
    """The lines are those of the mistakes. If there are none, they are what is registered."""
    (tmp_path / "acme.toml").write_text(WITH_SITES, encoding="utf-8")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = DEV | {"CATALOGUE": str(tmp_path), "SANDBOX": "0"}
    if any(": " in line for line in lines):
        assert read.starting(settings).splitlines() == lines
    else:
        _, registrations = read_registrations(read(settings), read_environment())
        assert sorted(registrations) == lines


def test_further_secrets_may_be_for_sites_with_an_id_and_a_secret_of_their_own(
    read: Read, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = WITH_SITES.replace("[authorize]", '[registration]\nsecrets = ["key"]\n[authorize]')
    (tmp_path / "acme.toml").write_text(text, encoding="utf-8")
    settings = DEV | {"CATALOGUE": str(tmp_path), "SANDBOX": "0"}
    for name, value in OF_EU.items():
        monkeypatch.setenv(name, value)
    line = (
        "ACME_KEY: must be set, because ACME_EU_CLIENT_ID is: set all of them, or none to leave Acme Ring at Europe out"
    )
    assert read.starting(settings).splitlines() == [line]
    monkeypatch.setenv("ACME_KEY", "CANARY")
    _, registrations = read_registrations(read(settings), read_environment())
    assert sorted(registrations) == ["acme/eu"]
