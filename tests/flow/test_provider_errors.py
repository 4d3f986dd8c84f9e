"""What callers get for providers' error answers, and for answers that are valid although they look odd."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import httpx
import pytest

from tests.conftest import SLUGS, Person, begin
from tests.interfaces import Interface
from tests.providers.recorded_errors import RecordedError, recorded
from tests.sandbox_control import Sandbox

CODES = {
    "grant_over": "INVALID_GRANT",
    "unclear": "INVALID_GRANT",
    "misconfigured": "PROVIDER_MISCONFIGURED",
    "slow_down": "PROVIDER_UNAVAILABLE",
    "passing": "PROVIDER_UNAVAILABLE",
}
CASES = [
    pytest.param(slug, error, id=f"{slug}-{error.name}")
    for slug in SLUGS
    for error in recorded(slug)
    if error.request == "exchange"
]


@pytest.mark.parametrize(("slug", "error"), CASES)
async def test_each_error_of_each_vendor(
    any_api: Interface, sandbox: Sandbox, someone: Person, slug: str, error: RecordedError
) -> None:
    callback = await begin(any_api, sandbox, someone, slug)
    await sandbox.answer(slug, error.content, status=error.status, headers=error.headers)
    answer = await any_api.complete(someone.token, **callback)
    assert error.meaning is not None
    assert (answer.code, answer.retry_after) == (CODES[error.meaning], error.wait)
    if error.wait is not None:
        assert f"Start the connection again in {error.wait} seconds." in (answer.message or "")
    assert "made-up" not in (answer.message or "")
    # The code has been sent and is not sent again: the same callback has reached its end.
    again = await any_api.complete(someone.token, **callback)
    assert (again.code, again.retry_after) == (answer.code, None)
    assert "Start the connection again" in (again.message or "") or error.meaning == "misconfigured"
    assert len(await sandbox.exchanges(callback["code"])) == 1
    assert (await any_api.connections(someone.token, userId=someone.id)).data == {"connections": []}


async def test_a_wait_is_bounded(any_api: Interface, sandbox: Sandbox, someone: Person) -> None:
    callback = await begin(any_api, sandbox, someone)
    await sandbox.answer("sandbox", "{}", status=429, headers={"Retry-After": "99999999"})
    answer = await any_api.complete(someone.token, **callback)
    assert (answer.code, answer.retry_after) == ("PROVIDER_UNAVAILABLE", 24 * 60 * 60)


@pytest.mark.parametrize(
    ("status", "body", "headers", "code", "wait"),
    [
        (400, {"error": {"code": "invalid_client"}}, {}, "PROVIDER_MISCONFIGURED", None),
        (400, {"errors": ["unauthorized_client"]}, {}, "PROVIDER_MISCONFIGURED", None),
        (400, {"error_code": "invalid_redirect_uri"}, {}, "PROVIDER_MISCONFIGURED", None),
        (400, {"error": "unsupported_response_type"}, {}, "PROVIDER_MISCONFIGURED", None),
        (200, {"errors": [{"code": "slow_down"}]}, {"Retry-After": "7"}, "PROVIDER_UNAVAILABLE", 7),
        (200, {"error_code": "invalid_client", "access_token": ""}, {}, "PROVIDER_MISCONFIGURED", None),
        (200, {"error": "invalid_client", "access_token": "made-up"}, {}, "PROVIDER_MISCONFIGURED", None),
        (429, {}, {"Retry-After": "120.5"}, "PROVIDER_UNAVAILABLE", 121),
        (429, {}, {"Retry-After": "9" * 25}, "PROVIDER_UNAVAILABLE", 24 * 60 * 60),
        (400, {"x": "x" * 300_000}, {"Retry-After": "30"}, "PROVIDER_UNAVAILABLE", 30),
        (400, {}, {"Retry-After": "30"} | {f"X-{number}": "x" for number in range(100)}, "PROVIDER_UNAVAILABLE", 30),
        (423, {}, {}, "INVALID_GRANT", None),
    ],
)
async def test_errors_in_frames_of_the_vendors_own(
    any_api: Interface,
    sandbox: Sandbox,
    someone: Person,
    status: int,
    body: dict[str, Any],
    headers: dict[str, str],
    code: str,
    wait: int | None,
) -> None:
    callback = await begin(any_api, sandbox, someone)
    await sandbox.answer("sandbox", json.dumps(body), status=status, headers=headers)
    answer = await any_api.complete(someone.token, **callback)
    assert (answer.code, answer.retry_after) == (code, wait)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("redirect_uri_mismatch", "PROVIDER_MISCONFIGURED"),
        ("invalid_redirect_uri", "PROVIDER_MISCONFIGURED"),
        ("unsupported_response_type", "PROVIDER_MISCONFIGURED"),
        ("invalid_request", "PROVIDER_MISCONFIGURED"),
        ("slow_down", "PROVIDER_UNAVAILABLE"),
        ("temporarily_unavailable", "PROVIDER_UNAVAILABLE"),
        ("access_denied", "ACCESS_DENIED"),
        ("whatever", "ACCESS_DENIED"),
    ],
)
async def test_errors_of_the_redirect_mean_the_same(
    any_api: Interface, sandbox: Sandbox, someone: Person, error: str, code: str
) -> None:
    callback = await begin(any_api, sandbox, someone)
    answer = await any_api.complete(someone.token, **callback | {"code": "", "error": error})
    assert answer.code == code


# Answers that are valid

TOKENS = {"access_token": "made-up", "refresh_token": "made-up-too", "token_type": "Bearer", "expires_in": 60}
JSON = json.dumps(TOKENS).encode()
RAW = zlib.compress(JSON, wbits=-zlib.MAX_WBITS)
GOOD = {
    "UTF-8": ("UTF-8", JSON),
    "none": ("none", JSON),
    "binary": ("binary", JSON),
    "br that is none": ("br", JSON),
    "zlib": ("deflate", zlib.compress(JSON)),
    "bare deflate": ("deflate", RAW),
    "x-gzip": ("x-gzip", gzip.compress(JSON)),
    "gzip that is none": ("gzip", JSON),
    "deflate that is none": ("deflate", JSON),
    "two members": ("gzip", gzip.compress(JSON[:9]) + gzip.compress(JSON[9:])),
    "zeros after it": ("gzip", gzip.compress(JSON) + bytes(100)),
    "two": ("utf-8, deflate, gzip", gzip.compress(RAW)),
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_good_answer_under_an_odd_label(
    any_api: Interface, sandbox: Sandbox, someone: Person, name: str
) -> None:
    label, body = GOOD[name]
    callback = await begin(any_api, sandbox, someone)
    await sandbox.answer("sandbox", body, headers={"Content-Encoding": label})
    assert (await any_api.complete(someone.token, **callback)).connection["status"] == "connected"


@pytest.mark.parametrize(
    ("label", "status", "body", "code"),
    [
        ("UTF-8", 400, b'{"error": "invalid_grant"}', "INVALID_GRANT"),
        ("none", 401, b'{"error": "invalid_client"}', "PROVIDER_MISCONFIGURED"),
        ("gzip", 400, b"no gzip", "INVALID_GRANT"),
        ("gzip", 401, b"no gzip", "PROVIDER_MISCONFIGURED"),
        ("deflate", 503, b"no deflate", "PROVIDER_UNAVAILABLE"),
        ("gzip", 200, b"no JSON", "PROVIDER_UNAVAILABLE"),
        ("gzip", 400, b'{"error": "invalid_client"}', "PROVIDER_MISCONFIGURED"),
        ("gzip", 200, gzip.compress(JSON) + gzip.compress(bytes(1 << 20)), "PROVIDER_UNAVAILABLE"),
        ("br", 200, b"no JSON", "PROVIDER_UNAVAILABLE"),
        ("gzip", 200, gzip.compress(bytes(1 << 20)), "PROVIDER_UNAVAILABLE"),
    ],
)
async def test_what_is_left_when_a_body_can_not_be_read(
    any_api: Interface, sandbox: Sandbox, someone: Person, label: str, status: int, body: bytes, code: str
) -> None:
    callback = await begin(any_api, sandbox, someone)
    await sandbox.answer("sandbox", body, status=status, headers={"Content-Encoding": label})
    assert (await any_api.complete(someone.token, **callback)).code == code


@pytest.mark.parametrize(
    "name",
    [rb'"\ud800"', rb'"a\u0000b"', b'"a\x00b"', b'"Jos\xe9"', b'{"a": 1, "a": 2}', b"NaN", b"[" * 300 + b"]" * 300],
)
async def test_a_name_that_nobody_reads(api: Interface, sandbox: Sandbox, someone: Person, name: bytes) -> None:
    callback = await begin(api, sandbox, someone, "strava")
    start = JSON[:-1].replace(b'"expires_in": 60', b'"expires_at": 1999999999.5, "expires_in": "soon"')
    await sandbox.answer("strava", start + b', "athlete": {"id": 7, "firstname": ' + name + b"}}")
    assert (await api.complete(someone.token, **callback)).connection["status"] == "connected"


@pytest.mark.parametrize(
    "twice", [b'"access_token": "another"', rb'"\u0061ccess_token": "another"', b'"expires_at": 1, "expires_at": 2']
)
async def test_a_member_that_is_used_and_there_twice(
    any_api: Interface, sandbox: Sandbox, someone: Person, twice: bytes
) -> None:
    callback = await begin(any_api, sandbox, someone, "strava")
    await sandbox.answer("strava", JSON[:-1] + b", " + twice + b"}")
    assert (await any_api.complete(someone.token, **callback)).code == "PROVIDER_UNAVAILABLE"


@pytest.mark.parametrize("scope", ["", " ", None, []])
async def test_an_empty_scope_is_an_absent_one(
    any_api: Interface, client: httpx.AsyncClient, sandbox: Sandbox, someone: Person, scope: Any
) -> None:
    """The redirect then says what was granted."""
    callback = await begin(any_api, sandbox, someone, grant="activity")
    await sandbox.answer("sandbox", json.dumps(TOKENS | {"scope": scope, "expires_in": 3599.7}))
    connection = (await any_api.complete(someone.token, **callback)).connection
    response = await client.post(
        f"{any_api.origin}/graphql",
        headers={"Authorization": f"Bearer {someone.token}"},
        json={"query": f'{{ connection(id: "{connection["id"]}") {{ grantedScopes }} }}'},
    )
    assert response.json()["data"]["connection"] == {"grantedScopes": ["activity"]}


EMPTY = [
    {"error": "", "errors": [], "error_code": 0},
    {"error": False},
    {"error": {}},
    {"refresh_token": "", "token_type": "", "scope": ""},
    {"scope": " ".join(f"patient/Resource{number}.rs" for number in range(250))},
]


@pytest.mark.parametrize("said", EMPTY)
async def test_what_says_nothing_costs_no_connection(
    api: Interface, sandbox: Sandbox, someone: Person, said: dict[str, Any]
) -> None:
    callback = await begin(api, sandbox, someone)
    await sandbox.answer("sandbox", json.dumps(TOKENS | said))
    assert (await api.complete(someone.token, **callback)).connection["status"] == "connected"
