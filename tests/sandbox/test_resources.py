"""What an access token opens: the account, and the resources of the API."""

from __future__ import annotations

import pytest

from tests.sandbox.world import World, refused


def test_the_api_answers_a_valid_token(world: World) -> None:
    token = world.connect("sandbox", account="4711", grant="sleep")
    answer = world.api("sandbox", token["access_token"], "v2/steps")
    assert (answer.status_code, answer.json()) == (200, {"resource": "v2/steps", "account": 4711, "scopes": ["sleep"]})
    call = world.calls()[-1]
    assert (call["endpoint"], call["outcome"], call["account"]) == ("api", "served", "4711")


def test_each_provider_has_an_api_of_its_own(world: World) -> None:
    token = world.connect("acme")
    assert world.api("acme", token["access_token"]).status_code == 200
    assert refused(world.api("sandbox", token["access_token"]), "invalid_token", 401)


def test_a_resource_with_the_name_of_a_scope_requires_it(world: World) -> None:
    token = world.connect("sandbox", grant="offline")["access_token"]
    assert world.api("sandbox", token, "offline").status_code == 200
    answer = world.api("sandbox", token, "sleep")
    assert refused(answer, "insufficient_scope", 403)
    assert 'scope="sleep"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("resource", ["account", "api"])
def test_a_token_that_is_not_valid_gets_401(world: World, resource: str) -> None:
    def details(access_token: str) -> str:
        answer = getattr(world, resource)("sandbox", access_token)
        assert refused(answer, "invalid_token", 401)
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        return world.calls()[-1]["detail"]

    expired = world.connect("sandbox", access_life="0")
    ended = world.connect("sandbox")
    world.revoke("sandbox", ended["access_token"])
    assert details(expired["access_token"]) == "the access token is expired"
    assert details(ended["access_token"]) == "the access token is revoked"
    assert details(ended["refresh_token"]) == "the access token is unknown"


def test_without_a_token(world: World) -> None:
    assert world.http.get(f"{world.base}/api/steps").status_code == 401
    assert world.http.post(f"{world.base}/api/steps").status_code == 405


def test_the_account_by_post(world: World) -> None:
    token = world.connect("zepp", account="4711")["access_token"]
    assert world.account("zepp", token).json() == {"userId": 4711}
    url, bearer = world.entry("zepp")["account"]["url"], {"Authorization": f"Bearer {token}"}
    assert refused(world.http.post(url, data={"fields": "name"}, headers=bearer), "invalid_request")
    assert refused(world.http.post(url, json={"fields": "userId"}, headers=bearer), "invalid_request")
    assert world.http.get(url, headers=bearer).status_code == 405


def test_the_granted_scopes(world: World) -> None:
    """If the app requests none, the user grants those that the entry describes."""

    def granted(token: dict[str, str]) -> list[str]:
        return world.ask("garmin", "granted", token["access_token"]).json()["data"]["permissions"]

    token = world.connect("garmin", account="ann")
    assert "scope" not in token
    assert granted(token) == ["ACTIVITY_EXPORT", "HEALTH_EXPORT"]
    assert granted(world.connect("garmin", account="bob", grant="HEALTH_EXPORT")) == ["HEALTH_EXPORT"]
    world.control("POST", "grants/narrow", {"slug": "garmin", "account": "ann", "scope": []})
    assert granted(token) == []
    assert "ACTIVITY_EXPORT" in world.authorize("garmin").text
    assert world.http.get(f"{world.base}/sandbox/granted").status_code == 404
