"""What `tendon serve` and `tendon sandbox` print in dev mode."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from gateway.greeting import greeting, sandbox_greeting
from gateway.settings import Settings
from gateway.settings.reading import settings_of

ORIGIN = "http://127.0.0.1:8000"
URI = "https://app.example/it's"
SETTINGS = settings_of(Settings, {"auth": "dev"})


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({}, ["/", "/connect", "/graphql", "/openapi.json", "/sandbox/connections"]),
        ({"connect_page": "0"}, ["/graphql", "/openapi.json", "/sandbox/connections"]),
        ({"explore": "0"}, ["/", "/connect", "/openapi.json", "/sandbox/connections"]),
        ({"sandbox": "0"}, ["/", "/connect", "/graphql", "/openapi.json"]),
    ],
)
def test_the_pages_that_are_served(values: dict[str, str], paths: list[str]) -> None:
    text = greeting(settings_of(Settings, {"auth": "dev", **values}), ORIGIN, [])
    lines = [line for line in text.splitlines() if ORIGIN in line]
    assert [line.rpartition(ORIGIN)[2] for line in lines] == paths
    assert "curl" not in text


def test_the_example_call_has_an_exact_redirect_uri() -> None:
    text = greeting(SETTINGS, ORIGIN, ["http://127.0.0.1:*/done", URI, "https://other.example/cb"])
    _, _, call = text.partition("  curl ")
    words = shlex.split(call.replace("\\\n", ""))
    assert f"{ORIGIN}/v1/connections/authorize" in words
    assert json.loads(words[-1]) == {"provider": "sandbox", "redirectUri": URI}


def test_there_is_no_example_call_for_a_wildcard() -> None:
    assert "curl" not in greeting(SETTINGS, ORIGIN, ["http://127.0.0.1:*/done"])


def test_the_sandbox_alone() -> None:
    assert f"SANDBOX_ORIGIN={ORIGIN}," in sandbox_greeting(ORIGIN, None)
    assert f"{ORIGIN}/connections," in sandbox_greeting(ORIGIN, None)
    assert "The catalogue" not in sandbox_greeting(ORIGIN, None)
    assert "was written to /some/folder," in sandbox_greeting(ORIGIN, Path("/some/folder"))
