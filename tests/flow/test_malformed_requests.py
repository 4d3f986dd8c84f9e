"""Every malformed request gets a clear error, the same on both interfaces, and spends nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.conftest import REDIRECT_URI, Person, begin
from tests.interfaces import Interface, Rest, bearer
from tests.processes import Process
from tests.sandbox_control import Sandbox
from tests.waiting import until

LONG = "x" * 9000
WRONG_MEMBERS: list[tuple[dict[str, Any], str]] = [
    ({"provider": None}, "provider is required."),
    ({"code": None}, "code is required."),
    ({"state": None}, "state is required."),
    ({"redirectUri": None}, "redirectUri is required."),
    ({"code": 5}, "code must be a string."),
    ({"code": True}, "code must be a string."),
    ({"state": ["s"]}, "state must be a string."),
    ({"state": {"$ne": ""}}, "state must be a string."),
    ({"code": ""}, "code must not be empty."),
    ({"code": "  "}, "code must not be empty."),
    ({"state": ""}, "state must not be empty."),
    ({"provider": ""}, "provider must not be empty."),
    ({"code": LONG}, "code must have at most 8192 characters."),
    ({"state": LONG}, "state must have at most 512 characters."),
    ({"provider": LONG}, "provider must have at most 63 characters."),
    ({"state": "a\nb"}, "state must not hold control characters."),
    ({"code": "a\x7fb"}, "code must not hold control characters."),
    ({"redirectUri": "/oauth/callback"}, "redirectUri must be an absolute URI without a fragment."),
    ({"redirectUri": f"{REDIRECT_URI}#x"}, "redirectUri must be an absolute URI without a fragment."),
    ({"redirectUri": "https://app.example/a|b"}, "redirectUri must be an absolute URI without a fragment."),
    ({"iss": 1}, "iss must be a string."),
    ({"scope": ["a"]}, "scope must be a string."),
]


@pytest.mark.parametrize(("change", "message"), WRONG_MEMBERS, ids=[repr(change)[:40] for change, _ in WRONG_MEMBERS])
async def test_a_wrong_member_is_named(
    any_api: Interface, sandbox: Sandbox, someone: Person, change: dict[str, Any], message: str
) -> None:
    callback = await begin(any_api, sandbox, someone)
    answer = await any_api.complete(someone.token, **callback | change)
    assert (answer.code, answer.message, answer.status) == ("VALIDATION_ERROR", message, answer.status)
    assert answer.status == 400 or (any_api.name == "graphql" and answer.status == 200)
    assert await sandbox.exchanges(callback["code"]) == []
    assert (await any_api.complete(someone.token, **callback)).code is None


@pytest.mark.parametrize("member", ["provider", "code", "state", "redirectUri"])
async def test_a_missing_member_is_named(any_api: Interface, sandbox: Sandbox, someone: Person, member: str) -> None:
    callback = await begin(any_api, sandbox, someone)
    del callback[member]
    answer = await any_api.complete(someone.token, **callback)
    assert (answer.code, answer.message, answer.status) == ("VALIDATION_ERROR", f"{member} is required.", 400)


@pytest.mark.parametrize("provider", ["nobody", "OURA", "oura ", "../oura"])
async def test_an_unknown_provider(any_api: Interface, someone: Person, provider: str) -> None:
    authorized = await any_api.authorize(someone.token, provider=provider, redirectUri=REDIRECT_URI)
    completed = await any_api.complete(someone.token, provider=provider, code="c", state="s", redirectUri=REDIRECT_URI)
    assert (authorized.code, completed.code) == ("PROVIDER_NOT_FOUND", "PROVIDER_NOT_FOUND")


REDIRECTS = [
    "https://app.example/oauth/callback/",
    "https://app.example/oauth/callback?x=1",
    "https://app.example:443/oauth/callback",
    "https://APP.example/oauth/callback",
    "http://app.example/oauth/callback",
    "https://app.example.evil.example/oauth/callback",
    "https://app.example@evil.example/oauth/callback",
    "https://app.example/x/../oauth/callback",
    "https://xn--pp-eka.example/oauth/callback",
    "http://localhost:1/done",
    "http://127.0.0.1:1/done/else",
    "http://127.0.0.1.evil.example:1/done",
]


@pytest.mark.parametrize("redirect_uri", REDIRECTS)
async def test_a_redirect_uri_that_is_not_ours(any_api: Interface, someone: Person, redirect_uri: str) -> None:
    answer = await any_api.authorize(someone.token, provider="sandbox", redirectUri=redirect_uri)
    assert (answer.code, answer.message) == (
        "VALIDATION_ERROR",
        "redirectUri is not on the allow-list of this service.",
    )


async def test_any_loopback_port_where_it_is_declared(any_api: Interface, someone: Person) -> None:
    answer = await any_api.authorize(someone.token, provider="oura", redirectUri="http://127.0.0.1:51234/done")
    assert answer.code is None


BODIES = [
    (b"", "The body is not valid JSON."),
    (b"{", "The body is not valid JSON."),
    (b"[]", "The body must be a JSON object."),
    (b'"text"', "The body must be a JSON object."),
    (b"null", "The body must be a JSON object."),
    (b'{"code": "a", "code": "b"}', "The body has a duplicate key."),
    (b'{"code": NaN}', "The body is not valid JSON."),
    (b'{"code": 1e999}', "The body has a number out of range."),
    (b'{"code": "\\u0000"}', "The body has a NUL character."),
    (b'{"code": "\\udc00"}', "The body has a lone surrogate."),
    (b'\xef\xbb\xbf{"code": "a"}', "The body is not valid JSON."),
    (b'{"code": "\xff"}', "The body is not UTF-8."),
    (b'{"code": ' + b"[" * 30000, "The body is nested too deeply."),
]


@pytest.mark.parametrize(("body", "message"), BODIES, ids=[message for _, message in BODIES])
async def test_a_body_that_is_not_strict_json(
    client: httpx.AsyncClient, any_gateway: Process, someone: Person, body: bytes, message: str
) -> None:
    for path in ("/v1/connections/callback", "/v1/connections/authorize"):
        response = await _post(client, any_gateway, someone, body, path=path)
        assert response.status_code == 400
        assert response.json() == {"error": "validation_error", "message": message}


@pytest.mark.parametrize(
    "media",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/jsonp"],
)
async def test_only_json_is_read(client: httpx.AsyncClient, any_gateway: Process, someone: Person, media: str) -> None:
    response = await _post(client, any_gateway, someone, b"{}", media=media)
    assert (response.status_code, response.json()["error"]) == (415, "unsupported_media_type")


async def test_a_body_has_a_bound(client: httpx.AsyncClient, any_gateway: Process, someone: Person) -> None:
    response = await _post(client, any_gateway, someone, b'{"state": "' + b"s" * 2**20 + b'"}')
    assert (response.status_code, response.json()["error"]) == (413, "payload_too_large")


async def test_an_encoded_body_is_not_read(client: httpx.AsyncClient, any_gateway: Process, someone: Person) -> None:
    headers = bearer(someone.token) | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = await client.post(f"{any_gateway.origin}/v1/connections/callback", content=b"x", headers=headers)
    assert response.status_code == 415


async def test_other_addresses_and_methods(client: httpx.AsyncClient, any_gateway: Process) -> None:
    missing = await client.get(f"{any_gateway.origin}/v1/nothing")
    assert (missing.status_code, missing.json()["error"]) == (404, "not_found")
    wrong = await client.put(f"{any_gateway.origin}/v1/connections/callback")
    assert (wrong.status_code, wrong.json()["error"], wrong.headers["allow"]) == (405, "method_not_allowed", "POST")


async def test_whose_connections_are_named_once(
    client: httpx.AsyncClient, any_gateway: Process, someone: Person
) -> None:
    url = f"{any_gateway.origin}/v1/connections"
    for query, message in (
        ("", "userId is required."),
        ("?userId=", "userId must not be empty."),
        ("?userId=a&userId=b", "A query parameter is given more than once."),
        ("?userId=%00", "userId must not hold control characters."),
        ("?userId=%ff", "A query parameter is not encoded in UTF-8."),
    ):
        response = await client.get(url + query, headers=bearer(someone.token))
        assert (response.status_code, response.json()["message"]) == (400, message)


async def test_somebody_elses_connections(any_api: Interface, someone: Person, another: Person) -> None:
    answer = await any_api.connections(someone.token, userId=another.id)
    assert answer.code == "FORBIDDEN"
    assert answer.status == (403 if isinstance(any_api, Rest) else 200)


async def test_without_a_token(any_api: Interface, someone: Person) -> None:
    for answer in (
        await any_api.authorize(None, provider="oura", redirectUri=REDIRECT_URI),
        await any_api.complete(None, nothing="right"),
        await any_api.connections(None, userId=someone.id),
    ):
        assert (answer.code, answer.status) == ("UNAUTHENTICATED", 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="tendon"'


@pytest.mark.parametrize("token", ["nonsense", "dev:", "dev:a b", "x" * 9000])
async def test_with_a_token_that_is_not_valid(any_api: Interface, someone: Person, token: str) -> None:
    answer = await any_api.connections(token, userId=someone.id)
    assert (answer.code, answer.status) == ("INVALID_TOKEN", 401)
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_what_every_answer_carries(client: httpx.AsyncClient, any_gateway: Process, someone: Person) -> None:
    identifiers = set[str]()
    for path in (
        "/",
        "/connect",
        "/graphql?query={__typename}",
        "/openapi.json",
        "/v1/connections",
        "/nothing",
        "/web/connect.js",
    ):
        response = await client.get(any_gateway.origin + path, headers={"Host": "evil.example", "X-Request-Id": "mine"})
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "server" not in response.headers
        identifiers.add(response.headers["x-request-id"])
        await _until_logged(any_gateway, response.headers["x-request-id"])
    assert len(identifiers) == 7
    assert "mine" not in identifiers


async def _post(
    client: httpx.AsyncClient,
    gateway: Process,
    person: Person,
    body: bytes,
    *,
    path: str = "/v1/connections/callback",
    media: str = "application/json",
) -> httpx.Response:
    headers = bearer(person.token) | ({"Content-Type": media} if media else {})
    return await client.post(gateway.origin + path, content=body, headers=headers)


async def _until_logged(gateway: Process, request_id: str) -> None:
    """The log line of a request is written after its answer."""
    await until(
        lambda: request_id in [line["request_id"] for line in gateway.logged("request")], "the line of the request"
    )
