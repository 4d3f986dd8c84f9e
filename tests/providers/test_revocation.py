"""Revocation of tokens: what is sent, and what can go wrong. `tests/contract/` revokes tokens of every entry."""

from __future__ import annotations

import asyncio
import base64

import pytest
from msgspec.structs import replace

from providers.catalogue import Credentials, Provider
from providers.errors import (
    ErrorAnswer,
    Meaning,
    RequestFailed,
    TimedOut,
    TransportFailure,
    Unreachable,
    UnreadableResponse,
)
from providers.revocation import RevocationOutcome, Tokens, revoke
from tests.providers.entries import CREDENTIALS, provider
from tests.wire.http.event_loops import let_pass, on_a_leaping_clock
from tests.wire.http.fetching import private_client
from tests.wire.http.loopback import Asked, Respond, answering, loopback
from wire.http.client import Client
from wire.waiting import SECOND_LOOK

CONFIRMED, IMPOSSIBLE = RevocationOutcome.CONFIRMED, RevocationOutcome.IMPOSSIBLE
TOKENS = Tokens("CANARY-access", "CANARY-refresh")


def soon(seconds: float = 5) -> float:
    return asyncio.get_running_loop().time() + seconds


def entry(origin: str, *lines: str) -> Provider:
    return provider(origin=origin, tables="\n".join(["[revoke]", f"url = '{origin}/revoke'", *lines]))


async def test_without_a_table_nothing_can_be_revoked(ours: Client) -> None:
    assert await revoke(ours, provider(), CREDENTIALS, TOKENS, deadline=soon()) is IMPOSSIBLE


# What is sent


async def sent(client: Client, *lines: str, credentials: Credentials = CREDENTIALS) -> Asked:
    async with loopback(answering(b"")) as server:
        assert await revoke(client, entry(server.origin, *lines), credentials, TOKENS, deadline=soon()) is CONFIRMED
    (asked,) = server.asked
    assert "CANARY" not in asked.line
    assert "secret" not in asked.line
    return asked


@pytest.mark.parametrize(("token", "value"), [("access_token", "CANARY-access"), ("refresh_token", "CANARY-refresh")])
async def test_the_named_token_is_in_the_form(ours: Client, token: str, value: str) -> None:
    asked = await sent(ours, f"token = '{token}'", f"params = {{ token_type_hint = '{token}' }}")
    assert asked.line == "POST /revoke HTTP/1.1"
    assert asked.form == {"token": [value], "token_type_hint": [token]}
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"client:secret"


async def test_with_client_secret_post_the_credentials_are_in_the_form(ours: Client) -> None:
    asked = await sent(ours, "auth = 'client_secret_post'", "token = 'refresh_token'", "method = 'DELETE'")
    assert asked.line == "DELETE /revoke HTTP/1.1"
    assert asked.form == {"token": ["CANARY-refresh"], "client_id": ["client"], "client_secret": ["secret"]}
    assert "authorization" not in asked.headers


async def test_a_public_client_sends_its_client_id_only(ours: Client) -> None:
    asked = await sent(ours, "auth = 'none'", "token = 'access_token'", credentials=Credentials("client", None))
    assert asked.form == {"token": ["CANARY-access"], "client_id": ["client"]}
    assert "authorization" not in asked.headers


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_a_bearer_token_is_in_the_header_only(ours: Client, method: str) -> None:
    asked = await sent(ours, "auth = 'bearer'", f"method = '{method}'")
    assert asked.line == f"{method} /revoke HTTP/1.1"
    assert asked.headers["authorization"] == "Bearer CANARY-access"
    assert asked.body == b""
    assert "content-type" not in asked.headers


async def test_a_bearer_token_may_come_with_a_form(ours: Client) -> None:
    asked = await sent(ours, "auth = 'bearer'", "token = 'refresh_token'", "params = { all = 'yes' }")
    assert asked.headers["authorization"] == "Bearer CANARY-access"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.form == {"all": ["yes"], "token": ["CANARY-refresh"]}


async def test_without_the_named_token_no_request_is_sent(ours: Client) -> None:
    tokens = replace(TOKENS, refresh_token=None)
    async with loopback(answering(b"")) as server:
        wanting = entry(server.origin, "token = 'refresh_token'")
        assert await revoke(ours, wanting, CREDENTIALS, tokens, deadline=soon()) is IMPOSSIBLE
    assert server.connections == 0


@pytest.mark.parametrize("auth", ["auth = 'bearer'", "auth = 'none'\ntoken = 'access_token'"])
async def test_the_account_replaces_its_place_in_url_and_parameters(ours: Client, auth: str) -> None:
    async with loopback(answering(b"")) as server:
        tables = f"[revoke]\nurl = '{server.origin}/users/{{account}}?of={{account}}'\n{auth}"
        entry = provider(origin=server.origin, tables=f"{tables}\nparams = {{ userid = '{{account}}' }}")
        known = replace(TOKENS, account="a/b?c&é")
        assert await revoke(ours, entry, CREDENTIALS, known, deadline=soon()) is CONFIRMED
    (asked,) = server.asked
    assert asked.line == "POST /users/a%2Fb%3Fc%26%C3%A9?of=a%2Fb%3Fc%26%C3%A9 HTTP/1.1"
    assert asked.form["userid"] == ["a/b?c&é"]


@pytest.mark.parametrize("lines", ["url = '{}/{{account}}'", "url = '{}'\nparams = {{ id = '{{account}}' }}"])
async def test_without_an_account_that_is_needed_no_request_is_sent(ours: Client, lines: str) -> None:
    async with loopback(answering(b"")) as server:
        tables = f"[revoke]\n{lines.format(server.origin)}\nauth = 'bearer'"
        entry = provider(origin=server.origin, tables=tables)
        assert await revoke(ours, entry, CREDENTIALS, TOKENS, deadline=soon()) is IMPOSSIBLE
    assert server.connections == 0


@pytest.mark.parametrize("account", [".", ".."])
async def test_an_account_never_changes_the_path(ours: Client, account: str) -> None:
    """A segment of dots stands for another one (RFC 3986 5.2.4), encoded or not."""
    async with loopback(answering(b"")) as server:
        entry = provider(
            origin=server.origin, tables=f"[revoke]\nurl = '{server.origin}/{{account}}/grants'\nauth = 'bearer'"
        )
        assert await revoke(ours, entry, CREDENTIALS, replace(TOKENS, account=account), deadline=soon()) is IMPOSSIBLE
    assert server.connections == 0


# Tokens and our client's id in the URL and in header fields

KNOWN = replace(TOKENS, access_token="CANARY/a b%&=", account="{access_token}")


def at(origin: str, path: str, *lines: str) -> Provider:
    lines = ("[registration]", "secrets = ['api_key']", "[revoke]", f"url = '{origin}{path}'", *lines)
    return provider(origin=origin, tables="\n".join(lines))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/revoke?access_token={access_token}", "/revoke?access_token=CANARY%2Fa%20b%25%26%3D"),
        ("/{refresh_token}/x?y=1", "/CANARY-refresh/x?y=1"),
        ("/x/{client_id}/{account}", "/x/a%20%2Fb/%7Baccess_token%7D"),
        (
            "/{account}?a={access_token}&r={refresh_token}",
            "/%7Baccess_token%7D?a=CANARY%2Fa%20b%25%26%3D&r=CANARY-refresh",
        ),
        ("/x?a={access_token}&r={refresh_token}", "/x?a=CANARY%2Fa%20b%25%26%3D&r=CANARY-refresh"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_url_has_what_the_provider_demands(ours: Client, method: str, path: str, line: str) -> None:
    """Percent-encoded, and what a value contains is no placeholder."""
    auth = "bearer" if "token" not in path else "anonymous"
    async with loopback(answering(b"")) as server:
        entry = at(server.origin, path, f"auth = '{auth}'", f"method = '{method}'")
        credentials = Credentials("a /b", "secret")
        assert await revoke(ours, entry, credentials, KNOWN, deadline=soon()) is CONFIRMED
    (asked,) = server.asked
    assert asked.line == f"{method} {line} HTTP/1.1"
    assert asked.body == b""
    assert ("authorization" in asked.headers) is (auth == "bearer")
    assert "content-type" not in asked.headers


async def test_an_anonymous_request_says_nothing_about_the_client(ours: Client) -> None:
    asked = await sent(ours, "auth = 'anonymous'", "token = 'refresh_token'", "params = { hint = 'x' }")
    assert asked.form == {"token": ["CANARY-refresh"], "hint": ["x"]}
    assert "authorization" not in asked.headers


@pytest.mark.parametrize(
    ("auth", "form"),
    [
        ("client_secret_basic", ""),
        ("client_secret_post", "client_id=client&client_secret=secret"),
        ("none", "client_id=client"),
    ],
)
async def test_a_token_in_a_header_field_needs_none_in_the_form(ours: Client, auth: str, form: str) -> None:
    headers = "headers = { token = '{access_token}', X-Key = '{client_id}:{api_key}', Accept = '*/*' }"
    async with loopback(answering(b"")) as server:
        entry = at(server.origin, "/revoke", f"auth = '{auth}'", headers)
        known = Credentials("client", "secret", {"api_key": "{refresh_token}"})
        assert await revoke(ours, entry, known, TOKENS, deadline=soon()) is CONFIRMED
    (asked,) = server.asked
    assert asked.headers["token"] == "CANARY-access"
    assert asked.headers["x-key"] == "client:{refresh_token}"
    assert asked.headers["accept"] == "*/*"
    assert asked.body.decode() == form
    assert ("content-type" in asked.headers) is bool(form)


@pytest.mark.parametrize(
    "lines",
    [
        ("/x/{refresh_token}", "auth = 'bearer'"),
        ("/x?t={refresh_token}", "auth = 'anonymous'"),
        ("/x", "auth = 'anonymous'", "headers = { token = '{refresh_token}' }"),
        ("/x/{account}", "auth = 'bearer'"),
        ("/x/{access_token}", "auth = 'anonymous'", "params = { id = '{account}' }"),
    ],
)
async def test_without_a_value_that_is_needed_no_request_is_sent(ours: Client, lines: tuple[str, ...]) -> None:
    tokens = replace(TOKENS, refresh_token=None)
    async with loopback(answering(b"")) as server:
        assert await revoke(ours, at(server.origin, *lines), CREDENTIALS, tokens, deadline=soon()) is IMPOSSIBLE
    assert server.connections == 0


@pytest.mark.parametrize(
    ("path", "values", "is_sent"),
    [
        ("/{access_token}/x", {"access_token": ".."}, False),
        ("/a/{access_token}", {"access_token": "."}, False),
        ("/{refresh_token}{access_token}", {"access_token": ".", "refresh_token": "."}, False),
        ("/{access_token}.?a=b", {"access_token": "."}, False),
        ("/x?a={access_token}", {"access_token": ".."}, True),
        ("/x{access_token}", {"access_token": ".."}, True),
        ("/x?a={access_token}", {"access_token": "%" * 16 * 1024}, True),
        ("/x?a={access_token}&b={refresh_token}", dict.fromkeys(("access_token", "refresh_token"), "%" * 16384), False),
    ],
)
async def test_a_value_never_changes_the_path(
    ours: Client, path: str, values: dict[str, str], *, is_sent: bool
) -> None:
    async with loopback(answering(b"")) as server:
        entry = at(server.origin, path, "auth = 'anonymous'")
        found = await revoke(ours, entry, CREDENTIALS, replace(TOKENS, **values), deadline=soon())
    assert found is (CONFIRMED if is_sent else IMPOSSIBLE)
    assert server.connections == is_sent


async def test_a_refused_token_in_the_url_or_a_header_field_confirms_nothing(ours: Client) -> None:
    """It may only have expired, as with a bearer token."""
    refused = RevocationOutcome.CREDENTIAL_REFUSED
    rows = "errors = [{ field = 'error', equals = 'x', meaning = 'grant_over' }]"
    in_header = "headers = { token = '{access_token}' }"
    async with loopback(answering(b'{"error": "x"}', status="401 No")) as server:
        for path, *lines in (("/x?t={access_token}",), ("/x", in_header)):
            entry = at(server.origin, path, "auth = 'anonymous'", rows, *lines)
            assert await revoke(ours, entry, CREDENTIALS, TOKENS, deadline=soon()) is refused
        by_refresh_token = at(server.origin, "/x?t={refresh_token}", "auth = 'anonymous'", rows)
        assert await revoke(ours, by_refresh_token, CREDENTIALS, TOKENS, deadline=soon()) is CONFIRMED


# What comes back


@pytest.mark.parametrize("status", ["200 OK", "204 No Content"])
async def test_a_success_needs_no_body(ours: Client, status: str) -> None:
    async with loopback(answering(b"", status=status)) as server:
        wanting = entry(server.origin, "token = 'access_token'")
        assert await revoke(ours, wanting, CREDENTIALS, TOKENS, deadline=soon()) is CONFIRMED


async def outcome(client: Client, body: bytes, status: str, *lines: str) -> RevocationOutcome:
    async with loopback(answering(body, status=status)) as server:
        return await revoke(client, entry(server.origin, *lines), CREDENTIALS, TOKENS, deadline=soon())


GONE = "[[revoke.errors]]\nstatus = 404\nmeaning = 'grant_over'"
INVALID_TOKEN = "[[revoke.errors]]\nfield = 'error'\nequals = 'invalid_token'\nmeaning = 'grant_over'"
FAILED = "[[revoke.errors]]\nfield = 'result'\nequals = 7\nmeaning = 'passing'"


@pytest.mark.parametrize(
    ("body", "status", "lines"),
    [
        (b"", "404 Not Found", ("auth = 'bearer'", GONE)),
        (b'{"error": "invalid_token"}', "400 Bad", ("token = 'refresh_token'", INVALID_TOKEN)),
        (b'{"error": "invalid_token"}', "401 No", ("token = 'refresh_token'", INVALID_TOKEN)),
        (b'{"error": "invalid_grant"}', "400 Bad", ("token = 'refresh_token'",)),
        (b'{"result": 8}', "200 OK", ("auth = 'bearer'", FAILED)),
        (b"{", "200 OK", ("auth = 'bearer'", FAILED)),
    ],
)
async def test_answers_that_mean_that_nothing_is_left_confirm_it(
    ours: Client, body: bytes, status: str, lines: tuple[str, ...]
) -> None:
    assert await outcome(ours, body, status, *lines) is CONFIRMED


@pytest.mark.parametrize("body", [b"", b'{"error": "invalid_grant"}', b'{"error": "invalid_token"}'])
async def test_a_refused_bearer_confirms_nothing(ours: Client, body: bytes) -> None:
    """It may only have expired, whatever the rules of the entry say of such answers."""
    found = await outcome(ours, body, "401 Unauthorized", "auth = 'bearer'", GONE, INVALID_TOKEN)
    assert found is RevocationOutcome.CREDENTIAL_REFUSED


async def test_an_error_in_a_success_is_a_fault(ours: Client) -> None:
    with pytest.raises(ErrorAnswer) as raised:
        await outcome(ours, b'{"result": 7}', "200 OK", "auth = 'bearer'", FAILED)
    assert raised.value.meaning is Meaning.TEMPORARY


SUCCEEDED = ("auth = 'bearer'", "success = { field = 'result', equals = '0000' }")


async def test_a_success_may_need_a_mark(ours: Client) -> None:
    """Otherwise an error whose code nobody knows would pass for a confirmation."""
    assert await outcome(ours, b'{"result": "0000"}', "200 OK", *SUCCEEDED) is CONFIRMED
    assert (
        await outcome(
            ours, b'{"result": 8}', "200 OK", *SUCCEEDED, FAILED.replace("'passing'", "'grant_over'").replace("7", "8")
        )
        is CONFIRMED
    )
    for body in (b'{"result": "5001"}', b'{"result": 0}', b"{}", b"", b'{"result": "0000", "result": "0000"}'):
        with pytest.raises(ErrorAnswer) as raised:
            await outcome(ours, body, "200 OK", *SUCCEEDED)
        assert raised.value.meaning is Meaning.UNCLEAR


async def test_a_bearer_that_is_not_allowed_is_a_fault(ours: Client) -> None:
    with pytest.raises(ErrorAnswer) as raised:
        await outcome(ours, b"", "403 Forbidden", "auth = 'bearer'", GONE)
    assert raised.value.meaning is Meaning.MISCONFIGURED


async def silence(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def hang_up(_asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize(
    ("respond", "fault", "text"),
    [
        (answering(b'{"error": "invalid_client"}', status="401 No"), ErrorAnswer, "401: invalid_client"),
        (answering(b'{"error": "CANARY"}', status="400 No"), ErrorAnswer, "400: no registered error code"),
        (answering(b"CANARY", status="503 Busy"), ErrorAnswer, "503: no registered error code"),
        (answering(b"", status="302 Found", headers=("Location: /other",)), UnreadableResponse, "neither"),
        (silence, TimedOut, "no answer"),
        (hang_up, TransportFailure, "broke"),
    ],
    ids=["401", "400", "503", "redirect", "silence", "hang up"],
)
async def test_any_other_answer_is_a_fault(
    ours: Client, caplog: pytest.LogCaptureFixture, respond: Respond, fault: type[RequestFailed], text: str
) -> None:
    """And nothing of the request is shown, not even of its URL."""
    caplog.set_level("DEBUG")
    async with loopback(respond) as server:
        wanting = at(server.origin, "/{refresh_token}?t={refresh_token}", "headers = { token = '{refresh_token}' }")
        with pytest.raises(fault, match=text) as raised:
            await revoke(ours, wanting, CREDENTIALS, TOKENS, deadline=soon(0.5))
    assert len(server.asked) == 1
    assert "CANARY" in server.asked[0].line
    assert "CANARY" not in f"{raised.value}{raised.value!r}{caplog.text}"


async def test_a_refused_connection_is_a_fault(ours: Client) -> None:
    with pytest.raises(Unreachable):
        await revoke(ours, entry("http://127.0.0.1:1", "token = 'access_token'"), CREDENTIALS, TOKENS, deadline=soon())


@pytest.mark.parametrize("latest", [150, 90])
@on_a_leaping_clock
async def test_a_revocation_goes_on_after_a_standstill_up_to_the_latest_time(latest: float) -> None:
    async def respond(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
        let_pass(100)
        await asyncio.Event().wait()

    async with loopback(respond) as server, private_client() as client:
        began = soon(0)
        wanting = entry(server.origin, "token = 'access_token'")
        with pytest.raises(TimedOut) as raised:
            await revoke(client, wanting, CREDENTIALS, TOKENS, deadline=soon(80), latest=soon(latest))
        assert soon(0) - began == pytest.approx(120 if latest == 150 else 100 + SECOND_LOOK)
    assert raised.value.stood_still
