"""A provider that misbehaves: a safe error in good time, at most one exchange, and no row."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import Person, begin, catalogue_entry
from tests.interfaces import Interface, Rest
from tests.sandbox_control import Sandbox

UNAVAILABLE = [
    "hang",
    "drip",
    "drop",
    "lost",
    "huge",
    "gzip_bomb",
    "deep_json",
    "big_headers",
    "status_500",
    "status_503",
    "status_429",
    "slow_down",
    "passing",
    "html",
    "not_json",
    "empty",
    "redirect",
    "no_access_token",
    "wrong_types",
    "expires_negative",
    "expires_huge",
    "expires_string",
    "expires_bool",
    "duplicate_keys",
    "token_type_mac",
]
REFUSED = {
    "invalid_grant": "INVALID_GRANT",
    "error_200": "INVALID_GRANT",
    "opaque_400": "INVALID_GRANT",
    "error_echo": "INVALID_GRANT",
    "error_code_echo": "INVALID_GRANT",
    "access_denied": "ACCESS_DENIED",
    "invalid_client": "PROVIDER_MISCONFIGURED",
    "unauthorized_client": "PROVIDER_MISCONFIGURED",
}
EXPECTED = dict.fromkeys(UNAVAILABLE, "PROVIDER_UNAVAILABLE") | REFUSED


@pytest.mark.parametrize("fault", EXPECTED)
async def test_a_fault_is_a_clear_error(any_api: Interface, sandbox: Sandbox, someone: Person, fault: str) -> None:
    await _clear_error(any_api, sandbox, someone, fault)


@pytest.mark.parametrize("fault", ["drop", "status_500", "not_json", *REFUSED])
async def test_a_fault_is_the_same_on_each_engine(
    api: Interface, sandbox: Sandbox, someone: Person, fault: str
) -> None:
    await _clear_error(api, sandbox, someone, fault)


async def _clear_error(api: Interface, sandbox: Sandbox, someone: Person, fault: str) -> None:
    callback = await begin(api, sandbox, someone)
    await sandbox.fault("sandbox", fault)
    # What hangs without a time-out takes longer than the client waits.
    answer = await api.complete(someone.token, **callback)
    assert answer.code == EXPECTED[fault]
    if isinstance(api, Rest):
        assert answer.status == (500 if "PROVIDER" in EXPECTED[fault] else 400)
    assert callback["code"] not in (answer.message or "")
    # Told again without asking again: the code may be spent.
    assert (await api.complete(someone.token, **callback)).code == answer.code
    assert len(await sandbox.exchanges(callback["code"])) == 1
    assert await sandbox.calls("sandbox", "elsewhere") == []
    assert (await api.connections(someone.token, userId=someone.id)).data == {"connections": []}


@pytest.mark.parametrize("fault", ["no_refresh", "narrow_scope", "slow"])
async def test_what_is_unusual_and_right(api: Interface, sandbox: Sandbox, someone: Person, fault: str) -> None:
    callback = await begin(api, sandbox, someone)
    await sandbox.fault("sandbox", fault, seconds=0.2)
    assert (await api.complete(someone.token, **callback)).connection["status"] == "connected"


@pytest.mark.parametrize("fault", ["status_500", "html", "drop"])
async def test_tokens_are_kept_when_the_account_is_not_to_be_had(
    api: Interface, sandbox: Sandbox, someone: Person, fault: str
) -> None:
    await _tokens_without_account(api, sandbox, someone, fault)


async def test_tokens_are_kept_when_the_account_is_waited_for_in_vain(
    any_api: Interface, sandbox: Sandbox, someone: Person
) -> None:
    await _tokens_without_account(any_api, sandbox, someone, "hang")


async def _tokens_without_account(api: Interface, sandbox: Sandbox, someone: Person, fault: str) -> None:
    callback = await begin(api, sandbox, someone)
    await sandbox.fault("sandbox", fault, endpoint="account")
    assert (await api.complete(someone.token, **callback)).connection["status"] == "connected"


@pytest.mark.parametrize("slug", ["sandbox", "strava"])
async def test_a_code_of_another_flow(
    api: Interface, sandbox: Sandbox, someone: Person, another: Person, slug: str
) -> None:
    """PKCE makes the provider refuse it (RFC 9700 4.5), if the provider checks the verifier. If it may not, the sandbox
    doesn't either, and docs/security.md is right about these providers."""
    mine, theirs = await begin(api, sandbox, someone, slug), await begin(api, sandbox, another, slug)
    answer = await api.complete(someone.token, **mine | {"code": theirs["code"]})
    bound = catalogue_entry(slug)["authorize"].get("pkce_checked", True)
    assert answer.code == ("INVALID_GRANT" if bound else None)
    connected = (await api.connections(someone.token, userId=someone.id)).data["connections"]
    assert len(connected) == (0 if bound else 1)
    # The verifier was sent nevertheless.
    (exchange,) = await sandbox.exchanges(theirs["code"])
    assert 43 <= len(exchange["form"]["code_verifier"]) <= 128


async def test_a_provider_that_refuses_connections_spends_nothing(
    api: Interface, sandbox: Sandbox, someone: Person
) -> None:
    """`unreachable` has a token endpoint where nobody listens."""
    answer = await api.authorize(
        someone.token, provider="unreachable", redirectUri="https://app.example/oauth/callback"
    )
    callback = {
        "provider": "unreachable",
        "redirectUri": "https://app.example/oauth/callback",
        "code": "anything",
        "state": answer.data["state"],
    }
    for _ in range(2):
        refused = await api.complete(someone.token, **callback)
        assert refused.code == "PROVIDER_UNAVAILABLE"
        assert "same callback again" in (refused.message or "")


async def test_other_providers_go_on_while_one_hangs(any_api: Interface, sandbox: Sandbox, someone: Person) -> None:
    api = any_api
    stuck = await begin(api, sandbox, someone, "oura")
    await sandbox.fault("oura", "hang")
    waiting = asyncio.create_task(api.complete(someone.token, **stuck))
    callback = await begin(api, sandbox, someone, "strava")
    assert (await api.complete(someone.token, **callback)).code is None
    assert not waiting.done()
    assert (await waiting).code == "PROVIDER_UNAVAILABLE"
