"""What differs between providers: where tokens are in the answer, the form of errors, refreshing, revocation."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from tests.sandbox.world import World, redirected


def test_acme_wraps_its_answer_and_has_a_refresh_endpoint(world: World) -> None:
    answer = world.redeem("acme", world.approve("acme", account="ann")["code"]).json()
    assert (answer.keys(), answer["status"]) == ({"status", "body"}, 0)
    assert (answer["body"]["user_id"], answer["body"]["expires_in"]) == ("ann", 3600)
    refresh_token = answer["body"]["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "action": "requesttoken"}
    wrong_endpoint = world.http.post(f"{world.base}/acme/token", data=form, headers=world.authorization("acme"))
    assert wrong_endpoint.json()["status"] == 503
    assert world.refresh("acme", refresh_token).json()["status"] == 0
    code_at_refresh = {"grant_type": "authorization_code", "code": "x", "action": "requesttoken"}
    answer = world.http.post(f"{world.base}/acme/refresh", data=code_at_refresh, headers=world.authorization("acme"))
    assert (answer.status_code, answer.json()["status"]) == (200, 503)
    assert world.calls()[-1]["outcome"] == "unsupported_grant_type"


def test_withings_sends_errors_with_http_200(world: World) -> None:
    answer = world.redeem("withings", "a-code")
    assert (answer.status_code, answer.json()["status"]) == (200, 503)
    assert "access_token" not in answer.text
    assert world.redeem("withings", "a-code", client_secret="x").json()["status"] == 401
    assert world.redeem("withings", "a-code", action=None).json()["status"] == 503
    outcomes = [call["outcome"] for call in world.calls()]
    assert outcomes == ["invalid_grant", "invalid_client", "invalid_request"]
    token = world.connect("withings", account="12345")
    assert (token["userid"], token["scope"]) == (12345, "user.info,user.metrics")


def test_strava_nests_the_account_and_uses_expires_at(world: World) -> None:
    token = world.connect("strava", account="007")
    assert token["athlete"] == {"id": "007"}
    assert abs(token["expires_at"] - time.time() - 3600) < 60
    assert token["expires_in"] == 3600
    assert world.account("strava", token["access_token"]).json() == {"athlete": {"id": "007"}}


def test_google_keeps_the_refresh_token(world: World) -> None:
    token = world.connect("google")
    for _ in range(2):
        assert "refresh_token" not in world.refresh("google", token["refresh_token"]).json()
    assert world.revoke("google", token["access_token"]).json()["error"] == "unsupported_token_type"
    assert world.revoke("google", token["refresh_token"]).status_code == 200
    assert set(world.states("access_token")) == {"revoked"}


def test_coros_only_extends_tokens(world: World) -> None:
    world.control("PUT", "settings", {"access_life": 0})
    token = world.connect("coros", account="ann")
    assert (token["openId"], "scope" in token) == ("ann", False)
    assert world.account("coros", token["access_token"]).status_code == 401
    world.control("PUT", "settings", {"access_life": 3600})
    assert world.refresh("coros", token["refresh_token"]).json() == {"result": "0000"}
    assert world.account("coros", token["access_token"]).status_code == 200
    assert world.refresh("coros", token["refresh_token"]).json() == {"result": "0000"}
    assert world.states("access_token") == ["live"]


def test_coros_marks_errors_and_not_successes(world: World) -> None:
    code = world.approve("coros")["code"]
    refused = world.redeem("coros", code, client_secret="x")
    assert (refused.status_code, refused.json()["result"]) == (200, "401")
    assert "access_token" not in refused.text
    assert "result" not in world.redeem("coros", code).json()
    refused = world.redeem("coros", code)
    assert (refused.status_code, refused.json()["result"]) == (200, "5017")


def test_the_account_in_a_claim_of_an_id_token(world: World) -> None:
    token = world.connect("huawei", account="4711")
    header, claims, signature = token["id_token"].split(".")
    assert (part(header)["typ"], bool(signature)) == ("JWT", True)
    assert (part(claims)["user"], part(claims)["aud"]) == ({"id": "4711"}, "huawei")
    assert part(world.refresh("huawei", token["refresh_token"]).json()["id_token"].split(".")[1])["sub"] == "4711"


def test_scopes_with_a_prefix(world: World) -> None:
    assert world.connect("oura")["scope"] == "extapi:daily"
    assert world.approve("oura")["scope"] == "daily"


def test_lifetimes_with_a_fraction(world: World) -> None:
    assert world.connect("sandbox", expires_fraction="true")["expires_in"] == 3599.5
    world.set("strava", expires_fraction=True)
    assert world.connect("strava")["expires_at"] % 1 == 0.5


def test_how_long_a_refresh_token_works(world: World) -> None:
    settings = world.control("GET", "settings")
    assert (settings["garmin"]["refresh_idle"], settings["google"]["refresh_idle"]) == (7776000, None)


def test_the_codes_tokens_and_accounts_of_a_site_are_its_own(world: World) -> None:
    code = world.approve("dexcom/us", account="ann")["code"]
    assert world.redeem("dexcom/eu", code).json()["error"] == "invalid_grant"
    token = world.redeem("dexcom/us", code).json()
    assert world.account("dexcom/us", token["access_token"]).json() == {"id": "ann"}
    assert world.account("dexcom/eu", token["access_token"]).status_code == 401
    assert world.refresh("dexcom/eu", token["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.revoke("dexcom/eu", token["refresh_token"], "ann").status_code == 204
    assert world.states("refresh_token") == ["live"]
    world.connect("dexcom/eu", account="ann")
    assert [(grant["site"], grant["slug"]) for grant in world.control("GET", "grants")] == [
        ("us", "dexcom"),
        ("eu", "dexcom"),
    ]
    assert [call["site"] for call in world.calls(slug="dexcom", endpoint="authorize")] == ["us", "eu"]
    assert world.http.post(f"{world.base}/dexcom/token").status_code == 404


def test_a_site_sends_its_own_issuer_and_wants_its_own_parameters(world: World) -> None:
    assert world.approve("dexcom/us")["iss"] == "https://api.dexcom.example"
    assert world.approve("dexcom/eu")["iss"] == "https://api.dexcom-eu.example"
    assert redirected(world.authorize("dexcom/eu", aud="https://api.dexcom.example"))["error"] == "invalid_request"


def test_suunto_has_the_lifetime_only_in_a_jwt(world: World) -> None:
    token = world.connect("suunto", account="ann")
    assert "expires_in" not in token
    header, claims, signature = token["access_token"].split(".")
    assert part(header)["alg"] != "none"
    assert signature
    assert (part(claims)["sub"], abs(part(claims)["exp"] - time.time() - 3600) < 60) == ("ann", True)
    assert world.revoke("suunto", token["access_token"]).status_code == 200
    assert world.account("suunto", token["access_token"]).status_code == 401


def test_polar_tokens_never_expire_and_have_no_refresh_token(world: World) -> None:
    world.control("PUT", "settings", {"access_life": 0})
    token = world.connect("polar")
    assert token.keys() == {"access_token", "token_type", "scope", "x_user_id"}
    assert world.account("polar", token["access_token"]).status_code == 200
    assert world.refresh("polar", "rt_x").json()["error"] == "unsupported_grant_type"
    assert world.revoke("polar", token["access_token"]).status_code == 204
    assert world.revoke("polar", token["access_token"]).status_code == 401
    assert world.http.post(f"{world.base}/polar/revoke/sam").status_code == 405


def test_polar_revokes_only_the_account_of_the_token(world: World) -> None:
    token = world.connect("polar", account="4711")["access_token"]
    assert world.revoke("polar", token, "4712").status_code == 400
    assert world.revoke("polar", token, "4711").status_code == 204


def test_a_revocation_form_with_the_account(world: World) -> None:
    token = world.connect("form", account="4711")["refresh_token"]
    assert world.revoke("form", token, "4712").status_code == 400
    assert world.revoke("form", token, "4711").status_code == 200
    assert world.revoke("form", "rt_unknown", "4712").status_code == 200


def test_whoop_refreshes_with_the_same_scope_each_time(world: World) -> None:
    token = world.connect("whoop")["refresh_token"]
    assert world.refresh("whoop", token).json()["error"] == "invalid_request"
    assert world.refresh("whoop", token, scope="offline").json()["scope"] == "offline read:sleep"


def test_whoop_says_when_there_is_nothing_to_revoke(world: World) -> None:
    token, expired = world.connect("whoop"), world.connect("whoop", account="ann", access_life="0")
    assert [world.revoke("whoop", token["access_token"]).status_code for _ in range(2)] == [204, 404]
    assert world.revoke("whoop", expired["access_token"]).status_code == 401
    world.fault("slow_down", slug="whoop", endpoint="revoke", seconds=9)
    answer = world.revoke("whoop", expired["access_token"])
    assert (answer.status_code, answer.headers["x-ratelimit-reset"]) == (429, "9")
    world.fault("entry_error", slug="whoop", endpoint="revoke")
    assert world.revoke("whoop", expired["access_token"]).status_code == 404


def test_errors_name_what_was_refused(world: World) -> None:
    assert world.redeem("whoop", "a-code").json() == {"error": "bad_code"}
    assert world.refresh("whoop", "a-token").json() == {"error": "bad_refresh"}
    world.fault("invalid_grant", slug="whoop", times=2)
    assert world.redeem("whoop", "a-code").json() == {"error": "bad_code"}
    assert world.refresh("whoop", "a-token").json() == {"error": "bad_refresh"}


def test_revocation_requires_the_client_the_parameters_and_the_token(world: World) -> None:
    token = world.connect("acme")
    url, form = world.entry("acme")["revoke"]["url"], {"token": token["refresh_token"]}
    assert world.http.post(url, data=form, headers=world.authorization("acme")).json()["error"] == "invalid_request"
    hinted = {**form, "token_type_hint": "refresh_token"}
    assert world.http.post(url, data=hinted).status_code == 401
    assert world.states("refresh_token") == ["live"]
    assert world.revoke("acme", token["refresh_token"]).status_code == 200
    assert world.states("refresh_token") == ["revoked"]
    assert world.revoke("acme", "rt_unknown").status_code == 200
    assert [call["outcome"] for call in world.calls() if call["endpoint"] == "revoke"] == [
        "invalid_request",
        "invalid_client",
        "revoked",
        "unknown_token",
    ]


def test_a_provider_without_revocation_has_no_such_endpoint(world: World) -> None:
    assert world.http.post(f"{world.base}/strava/revoke", data={"token": "x"}).status_code == 404


@pytest.mark.parametrize("slug", ["sandbox", "strava"])
def test_the_scope_can_be_left_out_of_the_answer(world: World, slug: str) -> None:
    world.control("PUT", "settings", {"slug": slug, "scope_in_answer": False})
    assert "scope" in world.approve(slug)
    assert "scope" not in world.connect(slug)
    assert "scope" in world.connect("google")


def part(encoded: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
