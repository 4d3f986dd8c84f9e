"""Asking the provider for tokens: with what, for how long, and what its errors are for the caller."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from models.database import DatabaseDown
from models.vault import Vault
from providers.authorization import challenge
from providers.errors import REGISTERED, CircuitOpen
from providers.provider_limit import TIMEOUTS
from resolvers.callback import claims
from resolvers.callback.claims import Attempt, Callback
from resolvers.callback.exchange import exchange
from tests.conftest import REDIRECT_URI
from tests.loop_clock import LoopClock, happened
from tests.resolvers.world import LEASE, TIMEOUT, World

REFUSALS = {
    "invalid_client": "PROVIDER_MISCONFIGURED",
    "invalid_redirect_uri": "PROVIDER_MISCONFIGURED",
    "invalid_scope": "PROVIDER_MISCONFIGURED",
    "redirect_uri_mismatch": "PROVIDER_MISCONFIGURED",
    "unauthorized_client": "PROVIDER_MISCONFIGURED",
    "unsupported_grant_type": "PROVIDER_MISCONFIGURED",
    "unsupported_response_type": "PROVIDER_MISCONFIGURED",
    "server_error": "PROVIDER_UNAVAILABLE",
    "slow_down": "PROVIDER_UNAVAILABLE",
    "temporarily_unavailable": "PROVIDER_UNAVAILABLE",
    "access_denied": "ACCESS_DENIED",
}
IN_REDIRECT = REFUSALS | {"invalid_request": "PROVIDER_MISCONFIGURED", "invalid_grant": "ACCESS_DENIED"}
IN_ANSWER = REFUSALS | {"invalid_request": "INVALID_GRANT", "invalid_grant": "INVALID_GRANT"}


async def hang(world: World, clock: LoopClock, callback: Callback) -> str | None:
    """The answer to a callback that the provider never answers."""
    asked = len(world.provider.asked())
    world.provider.leave.clear()
    completing = asyncio.create_task(world.code("alice", callback))
    await happened(lambda: len(world.provider.asked()) > asked)
    await clock.advance(TIMEOUT + 0.1)
    await happened(completing.done)
    world.provider.leave.set()
    return await completing


# What is sent


async def test_the_code_is_sent_with_the_redirect_uri_and_the_verifier_of_its_request(any_world: World) -> None:
    authorization = await any_world.authorize("alice")
    callback = Callback("acme", "c/o d+e", authorization.state, REDIRECT_URI)
    assert await any_world.code("alice", callback) is None
    (asked,) = any_world.provider.asked()
    form = {name: value for name, (value,) in asked.form.items()}
    verifier = form.pop("code_verifier")
    assert form == {"grant_type": "authorization_code", "code": "c/o d+e", "redirect_uri": REDIRECT_URI}
    assert f"code_challenge={challenge(verifier)}&" in f"{authorization.url}&"


async def test_a_provider_that_refuses_a_verifier_gets_none(any_world: World) -> None:
    callback = await any_world.begin("alice", "without-pkce")
    assert await any_world.code("alice", callback) is None
    (form,) = any_world.provider.exchanges(callback.code)
    assert form.keys() == {"grant_type", "code", "redirect_uri"}


# What is refused


def test_the_tables_have_every_registered_code() -> None:
    assert IN_REDIRECT.keys() == IN_ANSWER.keys() == REGISTERED.keys()


@pytest.mark.parametrize(("error", "code"), [*IN_REDIRECT.items(), ("whatever", "ACCESS_DENIED")])
async def test_an_error_in_the_redirect(any_world: World, error: str, code: str) -> None:
    """It ends the request, and the provider is not asked. The log has only known errors."""
    callback = replace(await any_world.begin("alice"), code="", error=error)
    for _ in range(2):
        assert await any_world.code("alice", callback) == code
    assert await any_world.status("alice") == ["failed"]
    assert any_world.provider.asked() == []
    (line,) = any_world.said("authorization.refused")
    assert (line["provider"], line["error"]) == ("acme", error if error in REGISTERED else "another")


@pytest.mark.parametrize(("error", "code"), [*IN_ANSWER.items(), ("whatever", "INVALID_GRANT")])
async def test_an_error_in_the_answer(any_world: World, error: str, code: str) -> None:
    """It ends the request: the code is not sent again."""
    callback = await any_world.begin("alice")
    any_world.provider.refuse(error)
    for _ in range(2):
        assert await any_world.code("alice", callback) == code
    assert await any_world.status("alice") == ["failed"]
    assert len(any_world.provider.exchanges(callback.code)) == 1
    misconfigured = code == "PROVIDER_MISCONFIGURED"
    (line,) = any_world.said("exchange.misconfigured" if misconfigured else "exchange.failed")
    assert (line["provider"], line["log_level"]) == ("acme", "error" if misconfigured else "warning")
    assert (error in line["fault"]) == (error in REGISTERED)


@pytest.mark.parametrize("wait", [None, 90])
async def test_how_long_to_wait_before_starting_again(any_world: World, wait: int | None) -> None:
    callback = await any_world.begin("alice")
    any_world.provider.refuse("slow_down", "429 Too Many Requests", *([] if wait is None else [f"Retry-After: {wait}"]))
    problem = await any_world.problem("alice", callback)
    assert (problem.code, problem.retry_after) == ("PROVIDER_UNAVAILABLE", wait)
    assert f"Start the connection again{'.' if wait is None else ' in 90 seconds.'}" in problem.message
    again = await any_world.problem("alice", callback)
    assert (again.code, again.retry_after) == ("PROVIDER_UNAVAILABLE", None)


async def test_an_answer_that_nobody_can_read_ends_the_request(any_world: World) -> None:
    callback = await any_world.begin("alice")
    any_world.provider.raw = b"<html>"
    for _ in range(2):
        problem = await any_world.problem("alice", callback)
        assert (problem.code, problem.retry_after) == ("PROVIDER_UNAVAILABLE", None)
    assert len(any_world.provider.exchanges(callback.code)) == 1


async def test_a_provider_that_is_not_reached_spends_nothing(any_world: World) -> None:
    callback = await any_world.begin("alice")
    await any_world.provider.stop()
    problem = await any_world.problem("alice", callback)
    assert (problem.code, problem.retry_after) == ("PROVIDER_UNAVAILABLE", 5)
    assert problem.message == "The provider can't be reached. Send the same callback again shortly."
    assert await any_world.status("alice") == ["pending"]
    await any_world.provider.start()
    assert await any_world.code("alice", callback) is None


# For how long


async def test_the_providers_time_out_bounds_the_exchange(any_world: World) -> None:
    """To itself and a small margin, in which what has just arrived is still read."""
    callback = await any_world.begin("alice")
    any_world.provider.leave.clear()
    with any_world.clock() as clock:
        completing = asyncio.create_task(any_world.code("alice", callback))
        await happened(any_world.provider.asked)
        await clock.advance(TIMEOUT - 0.1)
        assert not any_world.said("exchange.failed")
        await clock.advance(0.2)
        assert any_world.said("exchange.failed")
        await happened(completing.done)
        assert await completing == "PROVIDER_UNAVAILABLE"
        assert await any_world.status("alice") == ["failed"]


async def test_after_a_standstill_the_answer_is_waited_for_as_long_as_the_lease_allows(any_world: World) -> None:
    """Half of the five seconds after the provider's time-out are kept for the writing."""
    callback = await any_world.begin("alice")
    any_world.provider.leave.clear()
    with any_world.clock() as clock:
        completing = asyncio.create_task(any_world.code("alice", callback))
        await happened(any_world.provider.asked)
        await clock.jump(TIMEOUT + 2)
        await clock.advance(0.4)
        assert not any_world.said("exchange.failed")
        await clock.advance(0.2)
        assert any_world.said("exchange.failed")
        await happened(completing.done)


# What it says of the provider


async def test_time_outs_in_a_row_open_the_circuit(any_world: World) -> None:
    with any_world.clock() as clock:
        for _ in range(TIMEOUTS):
            assert await hang(any_world, clock, await any_world.begin("alice")) == "PROVIDER_UNAVAILABLE"
        callback = await any_world.begin("alice")
        problem = await any_world.problem("alice", callback)
        assert (problem.code, problem.retry_after) == ("PROVIDER_UNAVAILABLE", 1)
        assert any_world.provider.exchanges(callback.code) == []
        assert await any_world.status("alice") == ["failed"] * TIMEOUTS + ["pending"]


async def test_a_refusal_shows_that_the_provider_is_alive(any_world: World) -> None:
    with any_world.clock() as clock:
        for _ in range(2):
            for _ in range(TIMEOUTS - 1):
                await hang(any_world, clock, await any_world.begin("alice"))
            callback = await any_world.begin("alice")
            any_world.provider.refuse("invalid_grant")
            assert await any_world.code("alice", callback) == "INVALID_GRANT"
            any_world.provider.raw, any_world.provider.status = None, "200 OK"
        assert await any_world.code("alice", await any_world.begin("alice")) is None


@pytest.mark.parametrize("sign", ["a repetition", "a wrong code", "an error in the redirect", "an edited row"])
async def test_what_does_not_ask_the_provider_is_no_sign_of_its_life(any_world: World, sign: str) -> None:
    """Or callers who repeat callbacks would keep the circuit of a hung provider closed."""
    with any_world.clock() as clock:
        for number in range(TIMEOUTS):
            last = await any_world.begin("alice")
            assert await hang(any_world, clock, last) == "PROVIDER_UNAVAILABLE"
            if number < TIMEOUTS - 1:
                await show(any_world, sign, last)
        assert len(any_world.provider.asked()) == TIMEOUTS
        with pytest.raises(CircuitOpen):
            await any_world.resources.provider_limits.of("acme").permit(0)


async def show(world: World, sign: str, last: Callback) -> None:
    """`last` has ended."""
    match sign:
        case "a repetition":
            assert await world.code("alice", last) == "PROVIDER_UNAVAILABLE"
        case "a wrong code":
            assert await world.code("alice", replace(last, code="another")) == "INVALID_STATE"
        case "an error in the redirect":
            refused = replace(await world.begin("alice"), code="", error="access_denied")
            assert await world.code("alice", refused) == "ACCESS_DENIED"
        case _:
            edited = await world.begin("alice")
            await world.change_requests("verifier = NULL WHERE status = 'pending'")
            assert await world.code("alice", edited) == "INVALID_STATE"


# Whose request it is


async def test_a_request_without_its_verifier_ends(any_world: World) -> None:
    """Somebody edited the row, for every request has one until it ends."""
    callback = await any_world.begin("alice")
    await any_world.change_requests("verifier = NULL")
    for _ in range(2):
        assert await any_world.code("alice", callback) == "INVALID_STATE"
    assert await any_world.status("alice") == ["failed"]
    assert any_world.provider.asked() == []
    assert len(any_world.said("vault.failed")) == 1


KEYS = {"old": bytes(range(32)), "new": bytes(range(1, 33))}


@pytest.mark.parametrize("others", [{}, {"old": bytes(range(2, 34))}], ids=["missing", "another of the same id"])
async def test_a_request_that_another_process_can_open_is_left_to_it(
    any_world: World, others: dict[str, bytes]
) -> None:
    """During a change of keys, a process may lack the one that sealed the verifier."""
    before = any_world.context("alice", vault=Vault({"old": KEYS["old"]}))
    right = any_world.context("alice", vault=Vault({"new": KEYS["new"], "old": KEYS["old"]}))
    callback = await any_world.begin("alice", context=before)
    await right.resources.check_can_seal()
    wrong = any_world.context("alice", vault=Vault({"new": KEYS["new"], **others}))
    problem = await any_world.problem("alice", callback, wrong)
    assert (problem.code, problem.retry_after) == ("SERVICE_UNAVAILABLE", 1)
    assert await any_world.status("alice") == ["pending"]
    assert any_world.provider.asked() == []
    assert await any_world.complete("alice", callback, right)


async def test_a_verifier_that_does_not_open_is_not_judged_without_the_database(any_world: World) -> None:
    """It may be the key that is wrong, and not the row."""
    before = any_world.context("alice", vault=Vault({"old": KEYS["old"]}))
    right = any_world.context("alice", vault=Vault({"new": KEYS["new"], "old": KEYS["old"]}))
    callback = await any_world.begin("alice", context=before)
    await right.resources.check_can_seal()
    wrong = any_world.context("alice", vault=Vault({"new": KEYS["new"], "old": bytes(range(2, 34))}))
    await wrong.resources.check_can_seal()
    any_world.database.fail("FROM vault_key")
    assert (await any_world.problem("alice", callback, wrong)).code == "SERVICE_UNAVAILABLE"
    assert await any_world.status("alice") == ["pending"]
    assert await any_world.complete("alice", callback, right)


# When the tokens were granted


async def test_tokens_are_as_old_as_their_request(world: World) -> None:
    """By the database's clock, whatever passed between the claim and the request."""
    callback = await world.begin("alice")
    context = world.context("alice")
    attempt = Attempt.of(context, "alice", world.resources.registration("acme"), callback)
    with world.clock() as clock:
        claim = await claims.claim(context, attempt)
        assert claim is not None
        await clock.jump(3)
        with await world.resources.provider_limits.of("acme").permit(0) as permit:
            received = await exchange(context, attempt, claim, permit)
        assert received.granted_at == claim.claimed_at + timedelta(seconds=3)
        assert received.claim is claim
        assert claim.until == clock.now - 3 + LEASE


async def test_a_claim_that_can_not_be_ended_is_the_databases_problem(any_world: World) -> None:
    """The caller must not hear a refusal that is not written: another attempt could succeed."""
    callback = replace(await any_world.begin("alice"), code="", error="access_denied")
    any_world.database.fail("SET status = 'failed'", times=float("inf"))
    with pytest.raises(DatabaseDown):
        await any_world.complete("alice", callback)
