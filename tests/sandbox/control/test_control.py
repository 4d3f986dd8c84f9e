"""The control API: what it returns, what it accepts, and which requests it rejects."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sandbox.faults import FAULTS
from sandbox.settings import Settings
from tests.sandbox.world import CHALLENGE, REDIRECT_URI, SECRET, World


def test_every_call_is_logged_in_order_with_raw_values(world: World) -> None:
    token = world.connect("sandbox")
    world.account("sandbox", token["access_token"])
    approved, issued, served = world.calls()
    assert [approved["seq"], issued["seq"], served["seq"]] == [1, 2, 3]
    assert abs(issued["time"] - time.time()) < 60
    assert (approved["endpoint"], approved["method"], approved["outcome"]) == ("authorize", "GET", "approved")
    assert (approved["query"]["state"], approved["query"]["redirect_uri"]) == ("the-state", REDIRECT_URI)
    assert approved["query"]["code_challenge"] == CHALLENGE
    assert (issued["slug"], issued["endpoint"], issued["outcome"]) == ("sandbox", "token", "issued")
    assert (issued["grant_type"], issued["auth"]) == ("authorization_code", "client_secret_post")
    assert (issued["code"], issued["form"]["client_secret"]) == (approved["code"], SECRET)
    assert (served["endpoint"], served["auth"], served["outcome"]) == ("account", "bearer", "served")
    assert served["authorization"] == f"Bearer {token['access_token']}"


def test_calls_can_be_filtered(world: World) -> None:
    token = world.connect("sandbox")
    world.account("sandbox", token["access_token"])
    code = world.calls()[1]["code"]
    for wanted, endpoints in (
        ({"endpoint": "account"}, ["account"]),
        ({"code": code}, ["authorize", "token"]),
        ({"code": code, "endpoint": "token", "slug": "sandbox"}, ["token"]),
        ({"slug": "oura"}, []),
    ):
        found = world.http.get(f"{world.base}/_control/calls", params=wanted).json()
        assert [call["endpoint"] for call in found] == endpoints
    assert world.http.get(f"{world.base}/_control/calls?form=x").status_code == 400


def test_the_log_can_be_cleared(world: World) -> None:
    world.authorize("sandbox")
    world.control("DELETE", "calls")
    assert world.calls() == []
    world.authorize("sandbox")
    assert [call["seq"] for call in world.calls()] == [1]


def test_tokens_are_listed_with_family_account_and_state(world: World) -> None:
    first = world.connect("sandbox", account="ann")
    world.refresh("sandbox", first["refresh_token"])
    world.connect("google", account="bob")
    listed = world.control("GET", "tokens")
    assert [(token["kind"], token["state"], token["account"]) for token in listed] == [
        ("access_token", "live", "ann"),
        ("refresh_token", "rotated", "ann"),
        ("access_token", "live", "ann"),
        ("refresh_token", "live", "ann"),
        ("access_token", "live", "bob"),
        ("refresh_token", "live", "bob"),
    ]
    assert len({token["family"] for token in listed}) == 2
    assert listed[0].keys() == {
        *("value", "id", "parent", "kind", "state", "slug", "site", "client_id", "account"),
        *("grant", "family", "scope", "issued_at", "used_at", "expires_at"),
    }


def test_a_scripted_answer(world: World) -> None:
    answer = {"status": 418, "headers": {"X-Odd": "yes", "Content-Encoding": "none"}, "body": '{"odd": "\\ud800"}'}
    world.control("POST", "faults", {"slug": "sandbox", "answer": answer})
    world.control("POST", "faults", {"slug": "sandbox", "answer": {"base64": "AP8="}})
    planned = world.control("GET", "faults")["planned"]
    assert [(one["fault"], one["times"]) for one in planned] == [("scripted", 1), ("scripted", 1)]
    first, second = world.redeem("sandbox", "a-code"), world.redeem("sandbox", "a-code")
    assert (first.status_code, first.content, first.headers["x-odd"]) == (418, b'{"odd": "\\ud800"}', "yes")
    assert (second.status_code, second.content) == (200, b"\x00\xff")
    assert [call["outcome"] for call in world.calls()] == ["scripted", "scripted"]


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ("text", "answer"),
        ({}, "body"),
        ({"body": 7}, "body"),
        ({"base64": "?"}, "base64"),
        ({"body": "", "status": "200"}, "status"),
        ({"body": "", "headers": {"X": 1}}, "X"),
        ({"body": "", "headers": []}, "headers"),
        ({"body": "", "more": 1}, "more"),
    ],
)
def test_an_invalid_scripted_answer_is_rejected(world: World, answer: Any, named: str) -> None:
    refused = world.http.post(f"{world.base}/_control/faults", json={"slug": "sandbox", "answer": answer})
    assert refused.status_code == 400
    assert refused.json()["error_description"].startswith(f"{named} ")


def test_accepts(world: World) -> None:
    token = world.connect("sandbox")

    def accepts(value: str) -> bool:
        return world.control("POST", "accepts", {"access_token": value})["accepts"]

    assert accepts(token["access_token"])
    assert not accepts(token["refresh_token"])
    assert not accepts("at_unknown")
    world.revoke("sandbox", token["access_token"])
    assert not accepts(token["access_token"])


def test_settings_of_one_provider_and_of_all(world: World) -> None:
    start = world.control("GET", "settings")
    assert start["acme"] == Settings().model_dump()
    changed = world.control("PUT", "settings", {"slug": "acme", "access_life": 5})
    assert (changed["acme"]["access_life"], changed["strava"]["access_life"]) == (5, 3600)
    assert changed["acme"]["code_life"] == 60
    changed = world.control("PUT", "settings", {"decision": "deny"})
    assert {settings["decision"] for settings in changed.values()} == {"deny"}


def test_reset_restores_the_initial_state(world: World) -> None:
    code = world.approve("sandbox")["code"]
    world.connect("sandbox")
    world.fault("html", times=None)
    world.control("PUT", "settings", {"access_life": 5})
    world.control("POST", "reset", {})
    assert (world.calls(), world.control("GET", "tokens")) == ([], [])
    assert world.control("GET", "faults") == {"names": list(FAULTS), "planned": []}
    assert world.control("GET", "settings")["sandbox"]["access_life"] == 3600
    assert world.redeem("sandbox", code).json()["error"] == "invalid_grant"


def test_planned_faults_are_listed(world: World) -> None:
    world.fault("hang", seconds=3)
    [planned] = world.control("GET", "faults")["planned"]
    assert {name: value for name, value in planned.items() if value} == {
        "slug": "sandbox",
        "endpoint": "token",
        "fault": "hang",
        "times": 1,
        "seconds": 3,
    }


@pytest.mark.parametrize(
    ("method", "name", "instruction", "wrong"),
    [
        ("POST", "faults", {"slug": "sandbox", "endpoint": "token", "fault": "boom"}, "fault"),
        ("POST", "faults", {"slug": "nobody", "endpoint": "token", "fault": "html"}, "slug"),
        ("POST", "faults", {"slug": "sandbox", "endpoint": "tokens", "fault": "html"}, "endpoint"),
        ("POST", "faults", {"slug": "sandbox", "endpoint": "token", "fault": "html", "times": 0}, "times"),
        ("POST", "faults", {"slug": "sandbox", "endpoint": "token", "fault": "html", "times": True}, "times"),
        ("POST", "faults", {"slug": "sandbox", "endpoint": "token", "fault": "slow", "seconds": "2"}, "seconds"),
        ("POST", "faults", {"slug": "sandbox", "endpoint": "token", "fault": "slow", "second": 2}, "second"),
        ("POST", "faults", [], "the body"),
        ("PUT", "settings", {"decision": "maybe"}, "decision"),
        ("PUT", "settings", {"scope_in_answer": 1}, "scope_in_answer"),
        ("PUT", "settings", {"code_life": None}, "code_life"),
        ("PUT", "settings", {"code_life": -1}, "code_life"),
        ("PUT", "settings", {"colour": "red"}, "colour"),
        ("POST", "accepts", {"access_token": 1}, "access_token"),
    ],
)
def test_an_invalid_body_changes_nothing(world: World, method: str, name: str, instruction: Any, wrong: str) -> None:
    before = world.control("GET", "faults"), world.control("GET", "settings")
    answer = world.http.request(method, f"{world.base}/_control/{name}", json=instruction)
    assert answer.status_code == 400
    assert answer.json()["error_description"].startswith(f"{wrong} ")
    assert (world.control("GET", "faults"), world.control("GET", "settings")) == before


def test_a_body_that_is_not_json(world: World) -> None:
    headers = {"Content-Type": "application/json"}
    assert world.http.post(f"{world.base}/_control/faults", content=b"{", headers=headers).status_code == 400


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
@pytest.mark.parametrize(("method", "name"), [("GET", "calls"), ("DELETE", "calls"), ("POST", "reset")])
def test_requests_of_other_sites_are_rejected(world: World, origin: str, method: str, name: str) -> None:
    world.authorize("sandbox")
    headers = {"Origin": origin, "Content-Type": "application/json"}
    answer = world.http.request(method, f"{world.base}/_control/{name}", headers=headers)
    assert answer.status_code == 403
    assert len(world.calls()) == 1


def test_its_own_origin_is_accepted(world: World) -> None:
    answer = world.http.get(f"{world.base}/_control/calls", headers={"Origin": world.base})
    assert answer.status_code == 200


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_that_a_form_can_send_is_rejected(world: World, media_type: str) -> None:
    world.authorize("sandbox")
    answer = world.http.post(f"{world.base}/_control/reset", content=b"{}", headers={"Content-Type": media_type})
    assert answer.status_code == 415
    assert len(world.calls()) == 1


def test_calls_after_a_number(world: World) -> None:
    for _ in range(3):
        world.authorize("sandbox")
    assert [call["seq"] for call in world.calls(after="1")] == [2, 3]
    assert world.http.get(f"{world.base}/_control/calls?after=x").status_code == 400


@pytest.mark.parametrize("by", ["grant", "family"])
def test_one_grant_or_family_ends_by_its_number(world: World, by: str) -> None:
    for account in ("ann", "ann", "bob"):
        world.connect("sandbox", account=account)
    ann = world.http.get(f"{world.base}/_control/grants", params={"account": "ann"}).json()[0]
    number = ann["grant"] if by == "grant" else ann["families"][0]["family"]
    ended = world.control("POST", "grants/end", {"slug": "sandbox", by: number})["ended"]
    assert ended == [family["family"] for family in ann["families"]][: 2 if by == "grant" else 1]
    assert [family["ended"] for family in world.families()].count("user") == len(ended)


def test_a_setting_of_whole_providers_can_not_be_set_for_an_account(world: World) -> None:
    body = {"slug": "sandbox", "account": "ann", "decision": "approve"}
    assert world.http.put(f"{world.base}/_control/settings", json=body).status_code == 400
    assert world.authorize("sandbox", account="ann").status_code == 200


def test_only_a_user_names_an_account(world: World) -> None:
    world.http.post(f"{world.base}/token", data={"grant_type": "refresh_token", "account": "ann"})
    assert world.calls()[0]["account"] is None


def test_sites_are_controlled_together_or_one_at_a_time(world: World) -> None:
    def lives() -> tuple[float, float]:
        settings = world.control("GET", "settings")
        return settings["dexcom/us"]["access_life"], settings["dexcom/eu"]["access_life"]

    world.set("dexcom", access_life=9)
    world.set("dexcom", site="eu", access_life=5)
    assert lives() == (9, 5)
    for slug, site in (("dexcom", "jp"), ("sandbox", "us")):
        answer = world.http.put(f"{world.base}/_control/settings", json={"slug": slug, "site": site})
        assert (answer.status_code, answer.json()["error_description"]) == (400, "site is unknown")


def test_a_fault_and_an_ending_may_be_for_one_site(world: World) -> None:
    world.fault("status_500", slug="dexcom", site="eu")
    world.connect("dexcom/us")
    assert world.redeem("dexcom/eu", world.approve("dexcom/eu")["code"]).status_code == 500
    world.connect("dexcom/eu")
    world.control("POST", "grants/end", {"slug": "dexcom", "site": "eu"})
    ended = [family["ended"] for family in world.families(site="eu")]
    assert (ended, world.families(site="us")[0]["ended"]) == (["user", "user"], None)
