"""What dev mode adds: the sandbox, its registration, and redirect URIs of the connect page."""

from __future__ import annotations

import pytest
from starlette.routing import Mount

from gateway.dev_sandbox import redirect_uris, routes, with_registration
from gateway.settings import Settings
from gateway.settings.reading import settings_of

ORIGIN = "http://127.0.0.1:8000"
OWN = "https://app.example/cb https://other.example/cb"


def settings(**values: str) -> Settings:
    return settings_of(Settings, {"auth": "dev", "redirect_uris": OWN, **values})


@pytest.mark.parametrize(
    ("values", "pages"),
    [
        ({}, [f"{ORIGIN}/connect", "http://localhost:8000/connect"]),
        ({"connect_page": "0"}, []),
        # Its page is served, but whoever runs it in production names its URI.
        ({"auth": "introspection", "connect_page": "1"}, []),
        ({"auth": "introspection"}, []),
    ],
)
def test_the_redirect_uris(values: dict[str, str], pages: list[str]) -> None:
    assert redirect_uris(settings(**values), ORIGIN) == [*pages, *OWN.split()]


def test_a_registration_is_made_at_each_start() -> None:
    first, second = (with_registration(settings(), ORIGIN, {"X": "1"}) for _ in range(2))
    assert {name: value for name, value in first.items() if name != "SANDBOX_CLIENT_SECRET"} == {
        "X": "1",
        "SANDBOX_ORIGIN": f"{ORIGIN}/sandbox",
        "SANDBOX_CLIENT_ID": "tendon",
    }
    assert len(first["SANDBOX_CLIENT_SECRET"]) >= 32
    assert first["SANDBOX_CLIENT_SECRET"] != second["SANDBOX_CLIENT_SECRET"]


def test_variables_of_the_operator_come_first() -> None:
    own = {"SANDBOX_ORIGIN": "https://sandbox.example", "SANDBOX_CLIENT_ID": "a", "SANDBOX_CLIENT_SECRET": "b"}
    assert with_registration(settings(), ORIGIN, own) == own


@pytest.mark.parametrize("values", [{"sandbox": "0"}, {"auth": "introspection"}])
def test_without_the_sandbox_nothing_is_added(values: dict[str, str]) -> None:
    environment = {"X": "1"}
    assert with_registration(settings(**values), ORIGIN, environment) == environment
    assert routes(settings(**values), environment, []) == []


def test_the_sandbox_is_mounted() -> None:
    [mount] = routes(settings(), with_registration(settings(), ORIGIN, {}), [])
    assert isinstance(mount, Mount)
    assert mount.path == "/sandbox"
