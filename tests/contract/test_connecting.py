"""A user connects, at every provider: what is stored, what the provider was asked for, and what can go wrong."""

from __future__ import annotations

import pytest

from tests.conftest import SECRET, Person
from tests.contract.flow import Flow, new_account
from tests.contract.places import PLACES, Place, everywhere, those
from tests.processes import Process

WAIT = 90


@everywhere
async def test_a_consent_becomes_a_connection(flow: Flow, place: Place) -> None:
    callback = await flow.consent()
    connection = (await flow.complete(callback)).connection
    assert (connection["status"], connection["providerSlug"]) == ("connected", place.slug)
    assert [call["outcome"] for call in await flow.sandbox.exchanges(callback["code"])] == ["issued"]
    shown = await flow.shown()
    assert (shown["status"], shown["site"]) == ("connected", place.site or None)
    assert shown["accountId"] == (flow.account if place.knows_account else None)
    granted = place.grantable
    assert shown["scopes"] == {"requested": place.requested, "granted": granted, "missing": []}
    assert (shown["expiresAt"] is None) == (place.token.get("expires") == "never")
    assert await flow.outcomes("account") == (["served"] if place.asks_for_account else [])
    assert await flow.outcomes("granted") == (["served"] if "granted" in place.entry else [])
    assert await flow.outcomes("after_exchange") == (["registered"] if "after_exchange" in place.entry else [])


@everywhere
async def test_a_service_can_use_the_token(flow: Flow, place: Place) -> None:
    """With the header fields that come with it, and nothing else."""
    issued = (await flow.issue(await flow.connect())).data
    path = [] if place.slug == "sandbox" else [place.slug]
    url = "/".join([flow.sandbox.origin, *path, *([place.site] if place.site else []), "api", "anything"])
    headers = {header["name"]: header["value"] for header in issued["apiHeaders"]}
    assert headers.keys() == place.entry.get("api", {}).get("headers", {}).keys()
    response = await flow.client.get(url, headers={"Authorization": f"Bearer {issued['accessToken']}", **headers})
    assert (response.status_code, str(response.json()["account"])) == (200, flow.account)


@those(lambda place: len(place.grantable) > 1)
async def test_a_user_may_grant_less(flow: Flow, place: Place) -> None:
    fewer = place.grantable[:1]
    await flow.connect(grant=" ".join(fewer))
    missing = [scope for scope in place.requested if scope not in fewer]
    assert (await flow.shown())["scopes"] == {"requested": place.requested, "granted": fewer, "missing": missing}


@everywhere
async def test_a_user_may_deny_access(flow: Flow, place: Place) -> None:
    callback = await flow.consent("deny")
    assert (callback.get("error") is None) == (place.authorize.get("denied") == "state_only")
    for _ in range(2):
        assert (await flow.complete(callback)).code == "ACCESS_DENIED"
    assert await flow.nothing_is_stored()


@everywhere
async def test_a_code_that_the_provider_does_not_know(flow: Flow, place: Place) -> None:
    callback = await flow.consent() | {"code": f"code-of-nobody-{new_account()}"}
    for _ in range(2):
        assert (await flow.complete(callback)).code == "INVALID_GRANT"
    assert [call["outcome"] for call in await flow.sandbox.exchanges(callback["code"])] == ["invalid_grant"]
    assert await flow.nothing_is_stored()


@everywhere
async def test_a_code_of_another_flow(flow: Flow, another: Person, place: Place) -> None:
    """PKCE makes the provider refuse it (RFC 9700 4.5), if the provider checks the verifier. If it may not, the sandbox
    doesn't either, and docs/security.md is right about these providers."""
    theirs = Flow(flow.api, flow.sandbox, flow.client, another, place, new_account())
    callback, stolen = await flow.consent(), (await theirs.consent())["code"]
    answer = await flow.complete(callback | {"code": stolen})
    assert answer.code == ("INVALID_GRANT" if place.is_bound else None)
    # The verifier was sent nevertheless.
    (exchange,) = await flow.sandbox.exchanges(stolen)
    assert ("code_verifier" in exchange["form"]) == (place.authorize.get("pkce", "S256") == "S256")


@everywhere
@pytest.mark.parametrize(
    ("fault", "code", "wait"),
    [
        ("invalid_client", "PROVIDER_MISCONFIGURED", None),
        ("slow_down", "PROVIDER_UNAVAILABLE", WAIT),
        ("passing", "PROVIDER_UNAVAILABLE", WAIT),
    ],
)
async def test_an_error_in_the_words_of_the_provider(
    flow: Flow, place: Place, fault: str, code: str, wait: int | None
) -> None:
    callback = await flow.consent()
    await flow.sandbox.fault(place.slug, fault, seconds=wait, account=flow.account)
    answer = await flow.complete(callback)
    if fault == "invalid_client" and not place.tells_wrong_credentials:
        code = "INVALID_GRANT"
    assert (answer.code, answer.retry_after) == (code, wait)
    assert await flow.nothing_is_stored()


@everywhere
@pytest.mark.parametrize("fault", ["not_json", "empty", "html", "no_access_token", "wrong_types", "status_500"])
async def test_an_answer_that_can_not_be_used(rest_flow: Flow, place: Place, fault: str) -> None:
    callback = await rest_flow.consent()
    await rest_flow.sandbox.fault(place.slug, fault, account=rest_flow.account)
    answer = await rest_flow.complete(callback)
    assert (answer.code, callback["code"] in (answer.message or "")) == ("PROVIDER_UNAVAILABLE", False)
    assert len(await rest_flow.sandbox.exchanges(callback["code"])) == 1
    assert await rest_flow.nothing_is_stored()


@those(lambda place: place.token.get("headers"))
async def test_credentials_that_the_provider_sends_back_are_not_repeated(
    flow: Flow, place: Place, service: Process
) -> None:
    callback = await flow.consent()
    await flow.sandbox.fault(place.slug, "error_echo", account=flow.account)
    answer = await flow.complete(callback)
    assert answer.code is not None
    (exchange,) = await flow.sandbox.exchanges(callback["code"])
    secrets = {callback["code"], SECRET, *(exchange["headers"][name] for name in place.secret_headers("token"))}
    assert not [secret for secret in secrets if secret in f"{answer.message}{service.said}"]


@those(lambda place: place.asks_for_account)
async def test_tokens_are_kept_if_the_account_can_not_be_had(flow: Flow, place: Place) -> None:
    await flow.sandbox.fault(place.slug, "status_500", endpoint="account", account=flow.account)
    await flow.connect()
    shown = await flow.shown()
    assert (shown["status"], shown["accountId"]) == ("connected", None)


@those(lambda place: "granted" in place.entry)
async def test_tokens_are_kept_if_the_granted_scopes_can_not_be_had(flow: Flow, place: Place) -> None:
    await flow.sandbox.fault(place.slug, "status_500", endpoint="granted", account=flow.account)
    await flow.connect()
    assert (await flow.shown())["status"] == "connected"


@those(lambda place: "after_exchange" in place.entry)
async def test_without_what_must_be_done_first_there_is_no_connection(flow: Flow, place: Place) -> None:
    await flow.sandbox.fault(place.slug, "status_500", endpoint="after_exchange", account=flow.account)
    assert (await flow.complete(await flow.consent())).code == "PROVIDER_UNAVAILABLE"
    assert await flow.nothing_is_stored()


@those(lambda place: place.site)
async def test_a_code_of_another_site(flow: Flow, place: Place) -> None:
    """A provider knows nothing of what another site issued."""
    other = next(one for one in PLACES if one.slug == place.slug and one.site != place.site)
    elsewhere = Flow(flow.api, flow.sandbox, flow.client, flow.person, other, flow.account)
    callback = await flow.consent() | {"code": (await elsewhere.consent())["code"]}
    assert (await flow.complete(callback)).code == "INVALID_GRANT"
