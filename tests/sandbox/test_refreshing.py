"""Refreshing: rotation, grace, reuse, idleness, scopes, and the kinds of refresh tokens that providers have."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.sandbox.world import World, refused
from tests.sandbox_control import overlapping, token_id


def refreshed(world: World, refresh_token: str, slug: str = "sandbox") -> dict[str, Any]:
    answer = world.refresh(slug, refresh_token)
    assert answer.status_code == 200, answer.text
    return answer.json()


def works(world: World, access_token: str) -> bool:
    return world.api("sandbox", access_token).status_code == 200


def test_refresh_tokens_rotate_and_reuse_revokes_the_family(world: World) -> None:
    first = world.connect("sandbox")
    second = refreshed(world, first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    assert works(world, second["access_token"])
    assert world.states("refresh_token") == ["rotated", "live"]
    assert refused(world.refresh("sandbox", first["refresh_token"]), "invalid_grant")
    assert refused(world.refresh("sandbox", second["refresh_token"]), "invalid_grant")
    assert not works(world, second["access_token"])
    [family] = world.families()
    assert (family["ended"], family["refreshes"], family["reuses"]) == ("reuse", 1, 1)


def test_reuse_that_is_only_refused(world: World) -> None:
    world.set(reuse="refused")
    first = world.connect("sandbox")
    second = refreshed(world, first["refresh_token"])
    assert refused(world.refresh("sandbox", first["refresh_token"]), "invalid_grant")
    assert works(world, second["access_token"])
    refreshed(world, second["refresh_token"])
    [family] = world.families()
    assert (family["ended"], family["reuses"]) == (None, 1)


def test_of_simultaneous_refreshes_with_one_token_all_but_one_are_reuse(world: World) -> None:
    """The requests are open at the same time, and each of them is processed on its own."""
    token = world.connect("sandbox")["refresh_token"]
    for _ in range(8):
        world.fault("held")
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(world.refresh, "sandbox", token) for _ in range(8)]
        while len(world.calls(grant_type="refresh_token")) < 8:
            time.sleep(0.01)
        assert world.control("POST", "release", {"slug": "sandbox"}) == {"released": 8}
        statuses = sorted(answer.result().status_code for answer in answers)
    assert statuses == [200] + [400] * 7
    calls = world.calls(grant_type="refresh_token")
    assert sorted(call["reuse"] for call in calls) == [False] + [True] * 7
    assert [call["ended"] for call in calls if call["ended"]] == [[world.families()[0]["family"]]]
    assert {call["sent"] for call in calls} == {token_id(token)}
    assert len(overlapping(calls)) == 8 * 7 / 2


def test_refreshes_one_after_the_other_do_not_overlap(world: World) -> None:
    token = world.connect("sandbox", refresh="reusable")["refresh_token"]
    for _ in range(3):
        refreshed(world, token)
    assert overlapping(world.calls(grant_type="refresh_token")) == []


def test_another_family_is_not_affected_by_reuse(world: World) -> None:
    one, other = world.connect("sandbox"), world.connect("sandbox")
    for _ in range(2):
        world.refresh("sandbox", one["refresh_token"])
    assert world.refresh("sandbox", other["refresh_token"]).status_code == 200
    assert [family["ended"] for family in world.families()] == ["reuse", None]


def test_within_the_grace_a_used_token_gets_another_pair(world: World) -> None:
    world.set(refresh_grace=60)
    first = world.connect("sandbox")["refresh_token"]
    one, other = refreshed(world, first), refreshed(world, first)
    assert one["refresh_token"] != other["refresh_token"]
    assert world.states("refresh_token") == ["grace", "live", "live"]
    for pair in (one, other):
        assert works(world, pair["access_token"])
        refreshed(world, pair["refresh_token"])
    refreshed(world, first)


def test_a_use_within_the_grace_may_use_up_the_pairs_before_it(world: World) -> None:
    world.set(refresh_grace=60, grace_siblings="used")
    first = world.connect("sandbox")["refresh_token"]
    for _ in range(2):
        refreshed(world, first)
    assert world.states("refresh_token") == ["grace", "grace", "live"]


def test_after_the_grace_a_used_token_is_reuse(world: World) -> None:
    world.set(refresh_grace=0.05)
    first = world.connect("sandbox")["refresh_token"]
    refreshed(world, first)
    while world.states("refresh_token")[0] == "grace":
        time.sleep(0.01)
    assert refused(world.refresh("sandbox", first), "invalid_grant")
    assert world.families()[0]["ended"] == "reuse"


@pytest.mark.parametrize("resource", ["account", "api"])
def test_the_grace_may_end_when_the_new_access_token_is_used(world: World, resource: str) -> None:
    world.set(refresh_grace=60, grace_until_used=True, reuse="refused")
    first = world.connect("sandbox")
    assert works(world, first["access_token"])
    second = refreshed(world, first["refresh_token"])
    assert works(world, first["access_token"])
    third = refreshed(world, first["refresh_token"])
    assert getattr(world, resource)("sandbox", third["access_token"]).status_code == 200
    assert refused(world.refresh("sandbox", first["refresh_token"]), "invalid_grant")
    refreshed(world, second["refresh_token"])


def test_a_provider_that_rotates_only_sometimes(world: World) -> None:
    world.set(rotate_every=2)
    token = world.connect("sandbox")["refresh_token"]
    assert "refresh_token" not in refreshed(world, token)
    assert refreshed(world, token)["refresh_token"] != token
    assert world.states("refresh_token") == ["rotated", "live"]


@pytest.mark.parametrize("repeated", [False, True])
def test_a_reusable_token_is_left_out_or_repeated(world: World, *, repeated: bool) -> None:
    world.set(refresh="reusable", refresh_in_answer=repeated)
    token = world.connect("sandbox")["refresh_token"]
    for _ in range(2):
        assert refreshed(world, token).get("refresh_token") == (token if repeated else None)


def test_a_provider_that_extends_its_tokens(world: World) -> None:
    world.set(refresh="extending", access_life=0)
    token = world.connect("sandbox")
    assert not works(world, token["access_token"])
    world.set(access_life=60)
    assert refreshed(world, token["refresh_token"]) == {"result": "0000"}
    assert works(world, token["access_token"])


def test_older_access_tokens_may_end(world: World) -> None:
    world.set(old_access="ended")
    first = world.connect("sandbox")
    second = refreshed(world, first["refresh_token"])
    assert [works(world, token["access_token"]) for token in (first, second)] == [False, True]
    world.set(old_access="kept")
    third = refreshed(world, second["refresh_token"])
    assert [works(world, token["access_token"]) for token in (second, third)] == [True, True]


def test_an_access_token_that_lasts_is_returned_again(world: World) -> None:
    world.set(access_kept_above=600)
    first = world.connect("sandbox")
    second = refreshed(world, first["refresh_token"])
    assert second["access_token"] == first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    world.set(access_kept_above=7200)
    assert refreshed(world, second["refresh_token"])["access_token"] != first["access_token"]


def test_access_tokens_expire(world: World) -> None:
    world.set(access_life=0)
    token = world.connect("sandbox")
    assert token["expires_in"] == 0
    assert refused(world.api("sandbox", token["access_token"]), "invalid_token", 401)
    assert world.states("access_token") == ["expired"]
    assert world.refresh("sandbox", token["refresh_token"]).status_code == 200


def test_a_refresh_token_dies_of_idleness(world: World) -> None:
    world.set(refresh_idle=0)
    token = world.connect("sandbox")
    assert works(world, token["access_token"])
    assert refused(world.refresh("sandbox", token["refresh_token"]), "invalid_grant")
    assert world.calls()[-1]["detail"] == "the refresh token is expired"


@pytest.mark.parametrize("kind", ["rotating", "reusable", "extending"])
def test_each_refresh_prolongs_the_life_of_an_idle_token(world: World, kind: str) -> None:
    world.set(refresh=kind, refresh_idle=60)
    token = world.connect("sandbox")["refresh_token"]
    [before] = world.http.get(f"{world.base}/_control/tokens", params={"kind": "refresh_token"}).json()
    refreshed(world, token)
    after = world.http.get(f"{world.base}/_control/tokens", params={"kind": "refresh_token"}).json()[-1]
    assert before["expires_at"] < after["expires_at"]


def test_a_refresh_requires_a_refresh_token_of_the_same_provider(world: World) -> None:
    token, strange = world.connect("sandbox"), world.connect("google")
    assert refused(world.refresh("sandbox", token["access_token"]), "invalid_grant")
    assert refused(world.refresh("sandbox", strange["refresh_token"]), "invalid_grant")
    assert refused(world.token("sandbox", grant_type="refresh_token"), "invalid_request")


def test_a_refresh_may_narrow_the_scope_but_not_widen_it(world: World) -> None:
    token = world.connect("sandbox", grant="sleep")
    assert refused(world.refresh("sandbox", token["refresh_token"], scope="sleep offline"), "invalid_scope")
    assert world.refresh("sandbox", token["refresh_token"], scope="sleep").json()["scope"] == "sleep"


def test_a_user_withdraws_a_scope(world: World) -> None:
    token = world.connect("sandbox", account="ann")
    assert token["scope"] == "sleep offline"
    asked = {"slug": "sandbox", "account": "ann", "scope": ["offline"]}
    assert len(world.control("POST", "grants/narrow", asked)["narrowed"]) == 1
    assert refused(world.api("sandbox", token["access_token"], "sleep"), "insufficient_scope", 403)
    assert refreshed(world, token["refresh_token"])["scope"] == "offline"


def test_settings_of_one_flow(world: World) -> None:
    quick = world.connect("sandbox", access_life="5", reuse="refused", refresh_idle="null")
    usual = world.connect("sandbox")
    assert (quick["expires_in"], usual["expires_in"]) == (5, 3600)
    for token in (quick, usual):
        refreshed(world, token["refresh_token"])
        assert world.refresh("sandbox", token["refresh_token"]).status_code == 400
    assert [family["ended"] for family in world.families()] == [None, "reuse"]
    assert world.families()[0]["settings"] == {"access_life": 5, "reuse": "refused", "refresh_idle": None}


def test_settings_of_one_account(world: World) -> None:
    world.set(account="ann", access_life=5)
    assert world.connect("sandbox", account="ann")["expires_in"] == 5
    assert world.connect("sandbox", account="ann", access_life="6")["expires_in"] == 6
    assert world.connect("sandbox", account="bob")["expires_in"] == 3600
    assert world.control("GET", "settings?account=ann")["sandbox"]["access_life"] == 5
    assert world.control("GET", "settings")["sandbox"]["access_life"] == 3600


@pytest.mark.parametrize("wrong", [{"access_life": "soon"}, {"reuse": "perhaps"}, {"rotate_every": "0"}])
def test_a_wrong_setting_of_a_flow_is_shown_to_the_user(world: World, wrong: dict[str, str]) -> None:
    answer = world.authorize("sandbox", decision="approve", **wrong)
    assert (answer.status_code, next(iter(wrong)) in answer.text) == (400, True)
