"""Opaque tokens: what the introspection endpoint is asked, which answers are believed and for how long (O19)."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from gateway.bearer import open_client
from gateway.bearer.endpoint import MAX_CONNECTIONS
from gateway.bearer.introspection import MAX_ANSWER, WAITING, IntrospectionVerifier
from resolvers.caller import READ, WRITE, Caller
from resolvers.errors import InvalidToken, ServiceUnavailable
from tests.gateway.bearer.authorization_server import BAD_REPLIES, SLOW_REPLIES, AuthorizationServer, Reply, answer
from tests.gateway.bearer.slot import Slot
from tests.gateway.bearer.standing_clock import Clock
from tests.gateway.bearer.token_issuer import NOW
from wire.http.client import Client

TOKEN = "lph_at_CANARY.with~all-of_b64+token/chars=="
ACTIVE: dict[str, object] = {
    "active": True,
    "sub": "alice",
    "client_id": "app",
    "scope": f"{READ} {WRITE}",
    "exp": NOW + 600,
    "token_type": "Bearer",
}
ALICE = Caller(user="alice", client_id="app", scopes=frozenset({READ, WRITE}))

Open = Callable[..., IntrospectionVerifier]


@pytest.fixture
def opened(server: AuthorizationServer, client: Client, clock: Clock) -> Open:
    def open_one(
        timeout: float = 3.0, name: str = "tendon", secret: str = "s3cret", audience: str | None = None
    ) -> IntrospectionVerifier:
        url = server.url("/introspect")
        return IntrospectionVerifier(
            client, url, name, secret, audience=audience, clock=clock, monotonic=clock.monotonic, timeout=timeout
        )

    return open_one


@pytest.mark.parametrize("aud", [..., "https://tendon.example", ["https://else.example", "https://tendon.example"]])
async def test_an_audience_that_is_ours(server: AuthorizationServer, opened: Open, aud: object) -> None:
    server.always(answer(_changed({"aud": aud})))
    assert await opened(audience="https://tendon.example").verify(TOKEN) == ALICE


@pytest.mark.parametrize("aud", ["https://else.example", [], ["https://tendon.example/"], None, 1])
async def test_an_audience_that_is_not_ours(server: AuthorizationServer, opened: Open, aud: object) -> None:
    server.always(answer(_changed({"aud": aud})))
    with pytest.raises(InvalidToken):
        await opened(audience="https://tendon.example").verify(TOKEN)


async def test_asks_as_rfc_7662_has_it(server: AuthorizationServer, opened: Open) -> None:
    server.always(answer(ACTIVE))
    assert await opened().verify(TOKEN) == ALICE
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/introspect")
    assert request.form == {"token": [TOKEN], "token_type_hint": ["access_token"]}
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["accept"] == "application/json"
    assert request.basic == ("tendon", "s3cret")


async def test_odd_credentials_survive(server: AuthorizationServer, opened: Open) -> None:
    server.always(answer(ACTIVE))
    await opened(name="tendon:%+ é", secret="a:b%+ é&=/~").verify(TOKEN)
    assert server.requests[0].basic == ("tendon:%+ é", "a:b%+ é&=/~")


@pytest.mark.parametrize(
    ("changes", "caller"),
    [
        ({}, ALICE),
        ({"token_type": "bearer"}, ALICE),
        ({"token_type": ...}, ALICE),
        ({"exp": ...}, ALICE),
        ({"exp": NOW + 0.5}, ALICE),
        ({"exp": 10**400}, ALICE),
        ({"nbf": NOW}, ALICE),
        ({"unheard_of": {"x": [None]}}, ALICE),
        ({"scope": ...}, Caller("alice", "app", frozenset())),
        ({"scope": f" {READ}  x"}, Caller("alice", "app", frozenset({READ, "x"}))),
        ({"client_id": ...}, Caller("alice", None, ALICE.scopes)),
        ({"client_id": ..., "azp": "web"}, Caller("alice", "web", ALICE.scopes)),
        ({"scope": f"{READ} read:tokens read:audit x"}, Caller("alice", "app", frozenset({READ, "x"}))),
    ],
)
async def test_active(server: AuthorizationServer, opened: Open, changes: dict[str, object], caller: Caller) -> None:
    server.always(answer(_changed(changes)))
    assert await opened().verify(TOKEN) == caller


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": ...},
        {"sub": "app"},
        {"sub": "web", "client_id": ..., "azp": "web"},
        {"sub": ..., "client_id": ...},
        {"azp": "web"},
        {"active": False},
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": -(10**400)},
        {"exp": str(NOW + 600)},
        {"exp": True},
        {"exp": None},
        {"nbf": NOW + 60},
        {"nbf": "0"},
        {"token_type": "DPoP"},
        {"token_type": None},
        {"scope": [READ]},
        {"scope": None},
        {"sub": ""},
        {"sub": None},
        {"sub": 7},
        {"sub": "a\nb"},
        {"sub": "a\x7fb"},
        {"sub": "a" * 256},
        {"client_id": ["app"]},
    ],
)
async def test_not_active(server: AuthorizationServer, opened: Open, changes: dict[str, object]) -> None:
    server.always(answer(_changed(changes)))
    with pytest.raises(InvalidToken):
        await opened().verify(TOKEN)


async def test_longest_token(server: AuthorizationServer, opened: Open) -> None:
    server.always(answer(ACTIVE))
    assert await opened().verify("x" * 8192) == ALICE


@pytest.mark.parametrize(
    "member",
    [
        rb'"username":"\ud800"',
        rb'"username":"a\u0000"',
        b'"username":"\xff"',
        b'"x":NaN',
        b'"x":1,"x":2',
        b'"x":{"a":1,"a":2}',
    ],
)
async def test_a_member_that_nobody_uses_may_hold_anything(
    server: AuthorizationServer, opened: Open, member: bytes
) -> None:
    server.always(Reply(json.dumps(ACTIVE).encode()[:-1] + b"," + member + b"}"))
    assert await opened().verify(TOKEN) == ALICE


@pytest.mark.parametrize(
    "member",
    [b'"sub":"bob"', rb'"\u0073ub":"bob"', b'"aud":1,"aud":2', b'"nbf":NaN', rb'"azp":"\ud800"', b'"scope":"a"'],
)
async def test_a_member_that_is_used_and_malformed_is_no_verdict(
    server: AuthorizationServer, opened: Open, member: bytes
) -> None:
    server.always(Reply(json.dumps(ACTIVE).encode()[:-1] + b"," + member + b"}"))
    with pytest.raises(ServiceUnavailable):
        await opened().verify(TOKEN)


@pytest.mark.parametrize("name", BAD_REPLIES)
async def test_bad_answers_are_no_verdict(
    server: AuthorizationServer, opened: Open, name: str, log: list[MutableMapping[str, Any]]
) -> None:
    server.always(BAD_REPLIES[name])
    verifier = opened(timeout=0.5 if name in SLOW_REPLIES else 30)
    with pytest.raises(ServiceUnavailable) as raised:
        await verifier.verify(TOKEN)
    assert raised.value.retry_after == 2
    assert len(server.requests) == 1
    [event] = log
    assert (event["event"], event["log_level"]) == ("bearer.introspection_failed", "warning")
    server.always(answer(ACTIVE))
    assert await verifier.verify(TOKEN) == ALICE
    assert {request.path for request in server.requests} == {"/introspect"}


@pytest.mark.parametrize("active", ["true", 1, None, ..., [True], {}])
async def test_active_is_a_boolean_or_the_answer_unreadable(
    server: AuthorizationServer, opened: Open, active: object
) -> None:
    server.always(answer(_changed({"active": active})))
    with pytest.raises(ServiceUnavailable):
        await opened().verify(TOKEN)


async def test_endpoint_down_and_back(server: AuthorizationServer, opened: Open) -> None:
    server.always(answer(ACTIVE))
    verifier = opened()
    await server.stop()
    with pytest.raises(ServiceUnavailable):
        await verifier.verify(TOKEN)
    await server.start_again()
    assert await verifier.verify(TOKEN) == ALICE


async def test_good_answer_lasts_30_seconds(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    server.always(answer(ACTIVE))
    verifier = opened()
    await verifier.verify(TOKEN)
    server.always(answer({"active": False}))
    clock.advance(29.9)
    assert await verifier.verify(TOKEN) == ALICE
    assert len(server.requests) == 1
    clock.advance(0.2)
    with pytest.raises(InvalidToken):
        await verifier.verify(TOKEN)
    assert len(server.requests) == 2


async def test_good_answer_ends_with_exp(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    server.always(answer(_changed({"exp": NOW + 12})))
    verifier = opened()
    await verifier.verify(TOKEN)
    clock.advance(11.9)
    assert await verifier.verify(TOKEN) == ALICE
    clock.advance(0.2)
    with pytest.raises(InvalidToken):
        await verifier.verify(TOKEN)
    assert len(server.requests) == 2


async def test_refusal_lasts_5_seconds(server: AuthorizationServer, opened: Open, clock: Clock) -> None:
    server.always(answer({"active": False}))
    verifier = opened()
    for _ in range(3):
        with pytest.raises(InvalidToken):
            await verifier.verify(TOKEN)
    server.always(answer(ACTIVE))
    clock.advance(4.9)
    with pytest.raises(InvalidToken):
        await verifier.verify(TOKEN)
    assert len(server.requests) == 1
    clock.advance(0.2)
    assert await verifier.verify(TOKEN) == ALICE


async def test_each_token_has_its_own_answer(server: AuthorizationServer, opened: Open) -> None:
    server.reply = lambda request: answer(_changed({"sub": request.form["token"][0]}))
    verifier = opened()
    callers = await asyncio.gather(*(verifier.verify(f"user-{number % 10}") for number in range(30)))
    assert [caller.user for caller in callers] == [f"user-{number % 10}" for number in range(30)]
    assert len(server.requests) == 10


@pytest.mark.parametrize(("reply", "outcome"), [(ACTIVE, Caller), ({"active": False}, InvalidToken)])
async def test_50_at_once_are_one_call(
    server: AuthorizationServer, opened: Open, reply: dict[str, object], outcome: type[object]
) -> None:
    held = asyncio.Event()
    server.always(answer(reply, held=held))
    verifier = opened()
    calls = [asyncio.create_task(verifier.verify(TOKEN)) for _ in range(50)]
    await server.asked.wait()
    held.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in outcomes} == {outcome}
    assert len(server.requests) == 1


async def test_50_at_once_share_a_failure_but_no_exception(
    server: AuthorizationServer, opened: Open, log: list[MutableMapping[str, Any]]
) -> None:
    held = asyncio.Event()
    server.always(Reply(status=500, held=held))
    verifier = opened()
    calls = [asyncio.create_task(verifier.verify(TOKEN)) for _ in range(50)]
    await server.asked.wait()
    held.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(each, ServiceUnavailable) for each in outcomes)
    assert len({id(each) for each in outcomes}) == 50
    assert len(server.requests) == 1
    assert [event["reason"] for event in log] == ["status 500"]


async def test_a_caller_who_leaves_does_not_end_the_call(server: AuthorizationServer, opened: Open) -> None:
    held = asyncio.Event()
    server.always(answer(ACTIVE, held=held))
    verifier = opened()
    first, *others = [asyncio.create_task(verifier.verify(TOKEN)) for _ in range(5)]
    await server.asked.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    held.set()
    assert await asyncio.gather(*others) == [ALICE] * 4
    assert len(server.requests) == 1


async def test_the_answer_is_kept_when_all_have_left(server: AuthorizationServer, opened: Open) -> None:
    held = asyncio.Event()
    server.always(answer(ACTIVE, held=held))
    verifier = opened()
    only = asyncio.create_task(verifier.verify(TOKEN))
    await server.asked.wait()
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    held.set()
    assert await verifier.verify(TOKEN) == ALICE
    assert len(server.requests) == 1


async def test_a_hanging_endpoint_hangs_nobody_for_longer(server: AuthorizationServer, opened: Open) -> None:
    server.always(answer(ACTIVE, held=asyncio.Event()))
    verifier = opened(timeout=0.5)
    outcomes = await asyncio.gather(*(verifier.verify(f"t{n}") for n in range(100)), return_exceptions=True)
    assert all(isinstance(each, ServiceUnavailable) for each in outcomes)
    # Those that waited for a connection did not begin to wait for an answer then.
    assert MAX_CONNECTIONS <= len(server.requests) < WAITING / 2
    server.always(answer(ACTIVE))
    assert await verifier.verify(TOKEN) == ALICE


async def test_only_so_many_wait(
    server: AuthorizationServer, opened: Open, clock: Clock, log: list[MutableMapping[str, Any]]
) -> None:
    """The others are rejected at once, and what is known needs no waiting."""
    server.always(answer(ACTIVE))
    verifier = opened()
    assert await verifier.verify(TOKEN) == ALICE
    held = asyncio.Event()
    server.always(answer(ACTIVE, held=held))
    waiting = [asyncio.create_task(verifier.verify(f"t{number // 2}")) for number in range(WAITING)]
    await asyncio.sleep(0)
    for number in range(20):
        with pytest.raises(ServiceUnavailable) as raised:
            await verifier.verify(f"t{number}")
        assert raised.value.retry_after == 2
    # That is logged once a second.
    assert [event["reason"] for event in log] == ["too many waiting"]
    for seconds in (0.9, 0.1):
        clock.advance(seconds)
        for number in range(2):
            with pytest.raises(ServiceUnavailable):
                await verifier.verify(f"t{number}")
    assert [event["reason"] for event in log] == ["too many waiting"] * 2
    assert await verifier.verify(TOKEN) == ALICE
    held.set()
    assert await asyncio.gather(*waiting) == [ALICE] * WAITING
    assert await verifier.verify("another") == ALICE


async def test_calls_whose_callers_have_left_count(server: AuthorizationServer, opened: Open) -> None:
    """Or connections that are opened and closed would queue up calls without end."""
    held = asyncio.Event()
    server.always(answer(ACTIVE, held=held))
    verifier = opened()
    for number in range(WAITING):
        leaving = asyncio.create_task(verifier.verify(f"t{number}"))
        await asyncio.sleep(0)
        leaving.cancel()
    await asyncio.sleep(0)
    with pytest.raises(ServiceUnavailable):
        await verifier.verify("another")
    joined = asyncio.create_task(verifier.verify("t0"))
    await asyncio.sleep(0)
    held.set()
    assert await joined == ALICE


async def test_a_redirect_to_a_good_answer_is_no_verdict(server: AuthorizationServer, opened: Open) -> None:
    server.reply = lambda asked: (
        Reply(status=302, headers={"Location": "/elsewhere"}) if asked.path == "/introspect" else answer(ACTIVE)
    )
    with pytest.raises(ServiceUnavailable):
        await opened().verify(TOKEN)
    assert [asked.path for asked in server.requests] == ["/introspect"]


@pytest.mark.parametrize("excess", [0, 1])
async def test_the_longest_answer(server: AuthorizationServer, opened: Open, excess: int) -> None:
    assert MAX_ANSWER == 65_536
    text = json.dumps({**ACTIVE, "x": ""}).encode()
    server.always(Reply(text[:-2] + b"x" * (MAX_ANSWER - len(text) + excess) + text[-2:]))
    if not excess:
        assert await opened().verify(TOKEN) == ALICE
        return
    with pytest.raises(ServiceUnavailable):
        await opened().verify(TOKEN)


async def test_while_a_token_is_verified_other_requests_may_run(server: AuthorizationServer, opened: Open) -> None:
    """In place of the one that asks, and of those that wait for the same answer. Who finds a cached verdict waits for
    nothing."""
    held = asyncio.Event()
    server.always(answer(ACTIVE, held=held))
    verifier = opened()
    slots = [Slot() for _ in range(3)]
    calls = [asyncio.create_task(slot.run(verifier.verify(TOKEN))) for slot in slots]
    await server.asked.wait()
    assert [slot.released for slot in slots] == [True] * 3
    held.set()
    assert await asyncio.gather(*calls) == [ALICE] * 3
    assert [slot.released for slot in slots] == [False] * 3
    cached = Slot()
    await cached.run(verifier.verify(TOKEN))
    assert cached.releases == 0


async def test_a_cached_refusal_is_a_new_exception_each_time(server: AuthorizationServer, opened: Open) -> None:
    """One that is raised again and again would collect tracebacks."""
    server.always(answer({"active": False}))
    verifier, raised = opened(), list[InvalidToken]()
    for _ in range(3):
        with pytest.raises(InvalidToken) as refusal:
            await verifier.verify(TOKEN)
        raised.append(refusal.value)
    assert len({id(each) for each in raised}) == 3
    assert {each.reason for each in raised} == {"the authorization server says that it is not active"}
    assert len(server.requests) == 1


@pytest.mark.parametrize(("nbf", "accepted"), [(10, True), (10.5, False)])
async def test_a_token_may_begin_ten_seconds_from_now(
    server: AuthorizationServer, opened: Open, nbf: float, accepted: bool
) -> None:
    server.always(answer(_changed({"nbf": NOW + nbf})))
    if accepted:
        assert await opened().verify(TOKEN) == ALICE
        return
    with pytest.raises(InvalidToken) as refusal:
        await opened().verify(TOKEN)
    assert refusal.value.reason == "not valid yet"


async def test_closing_waits_for_the_call_under_way(server: AuthorizationServer) -> None:
    held = asyncio.Event()
    server.always(answer({**ACTIVE, "exp": time.time() + 60}, held=held))
    client = open_client()
    verifier = IntrospectionVerifier(client, server.url("/"), "tendon", "s3cret")
    call = asyncio.create_task(verifier.verify(TOKEN))
    await server.asked.wait()
    closing = asyncio.create_task(verifier.close())
    held.set()
    await closing
    assert await call == ALICE
    assert client.closed
    with pytest.raises(ServiceUnavailable):
        await verifier.verify("another")


async def test_nothing_tells_the_token(
    server: AuthorizationServer, opened: Open, log: list[MutableMapping[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    raised: list[BaseException] = []
    for reply in (Reply(TOKEN.encode()), Reply(TOKEN.encode(), status=500), answer({"active": False, "sub": TOKEN})):
        server.always(reply)
        with pytest.raises((ServiceUnavailable, InvalidToken)) as failure:
            await opened().verify(TOKEN)
        raised.append(failure.value)
    told = repr(raised) + repr(log) + caplog.text
    assert "CANARY" not in told
    assert "s3cret" not in told
    assert all(each.__context__ is None and each.__cause__ is None for each in raised)


def _changed(changes: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in {**ACTIVE, **changes}.items() if value is not ...}
