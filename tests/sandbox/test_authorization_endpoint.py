"""The authorization endpoint: what it rejects, what the user sees, and what a script can decide."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from sandbox.app import create_app
from sandbox.dialect import Dialect
from tests.sandbox.entries import ENTRIES
from tests.sandbox.world import REDIRECT_URI, World, application, redirected, serve


def test_approved_at_once(world: World) -> None:
    answer = world.authorize("sandbox", decision="approve")
    assert answer.headers["location"].startswith(f"{REDIRECT_URI}?code=")
    parameters = redirected(answer)
    assert parameters.keys() == {"code", "state", "scope"}
    assert (parameters["state"], parameters["scope"]) == ("the-state", "sleep offline")
    assert answer.headers["cache-control"] == "no-store"


def test_denied_at_once(world: World) -> None:
    parameters = redirected(world.authorize("sandbox", decision="deny"))
    assert parameters.keys() == {"error", "error_description", "state"}
    assert (parameters["error"], parameters["state"]) == ("access_denied", "the-state")
    assert world.calls()[0]["outcome"] == "denied"


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_the_issuer_is_sent_if_the_provider_has_one(world: World, decision: str) -> None:
    assert redirected(world.authorize("acme", decision=decision))["iss"] == "https://acme.example"


def test_a_narrower_grant(world: World) -> None:
    parameters = world.approve("strava", grant="activity:read_all something:else")
    assert parameters["scope"] == "activity:read_all"
    assert world.approve("strava")["scope"] == "read,activity:read_all"
    assert world.approve("strava", grant="nothing")["scope"] == ""
    assert "scope" not in world.approve("coros")


def test_a_custom_scheme_and_a_query_are_kept(world: World) -> None:
    answer = world.authorize("sandbox", decision="approve", redirect_uri="com.example.app:/done?from=sandbox")
    assert answer.headers["location"].startswith("com.example.app:/done?from=sandbox&code=")


@pytest.mark.parametrize(
    "redirect_uri",
    [
        None,
        "http://localhost:9/callback/",
        "http://localhost:9/Callback",
        "http://localhost:9/callback?x=1",
        "http://localhost:10/callback",
        "http://localhost.evil.example:9/callback",
        "http://localhost:9@evil.example/callback",
        "http://localhost:9/a/../callback",
        "http://localhost:9/callback#x",
    ],
)
@pytest.mark.parametrize("decision", ["approve", "deny", None])
def test_an_unregistered_redirect_uri_is_shown_to_the_user_only(
    world: World, redirect_uri: str | None, decision: str | None
) -> None:
    answer = world.authorize("sandbox", redirect_uri=redirect_uri, decision=decision)
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert answer.headers["content-type"].startswith("text/html")
    assert world.calls()[0]["outcome"] == "invalid_redirect_uri"


def test_an_unknown_client_is_shown_to_the_user_only(world: World) -> None:
    answer = world.authorize("sandbox", client_id="acme", decision="approve")
    assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_a_repeated_parameter_is_shown_to_the_user_only(world: World) -> None:
    request = world.authorization_request("sandbox", decision="approve")
    answer = world.http.get(f"{world.base}/authorize", params={**request, "redirect_uri": [REDIRECT_URI] * 2})
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"state": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
    ],
)
def test_an_invalid_request_redirects_with_an_error(world: World, changes: dict[str, str | None], error: str) -> None:
    parameters = redirected(world.authorize("sandbox", decision="approve", **changes))
    assert parameters["error"] == error
    assert "code" not in parameters
    assert parameters.get("state") == changes.get("state", "the-state")


def test_a_provider_without_pkce_needs_no_challenge(world: World) -> None:
    assert "code" in world.approve("withings")


def test_the_decision_in_the_settings_applies_to_all_requests(world: World) -> None:
    world.control("PUT", "settings", {"decision": "approve"})
    assert "code" in redirected(world.authorize("sandbox"))
    assert "code" in redirected(world.authorize("strava"))
    world.control("PUT", "settings", {"decision": None})
    assert world.authorize("sandbox").status_code == 200


def test_the_consent_page_shows_app_provider_and_scopes_safely(world: World) -> None:
    answer = world.authorize("sandbox", scope='sleep "><script>alert(1)</script>')
    assert answer.status_code == 200
    assert "Allow access to your Sandbox account?" in answer.text
    assert "<strong>sandbox</strong>" in answer.text
    assert 'value="sleep" checked' in answer.text
    assert "<script" not in answer.text
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action" not in policy
    assert "unsafe" not in policy


def test_a_user_grants_fewer_scopes_with_another_account(world: World) -> None:
    page = world.authorize("acme")
    names = re.findall(r'name="(grant-\d)" value="(\w+)"', page.text)
    assert [scope for _, scope in names] == ["sleep", "offline"]
    chosen = {name: scope for name, scope in names if scope == "sleep"}
    answer = world.http.post(page.url, data={**chosen, "account": "4711", "decision": "approve"})
    parameters = redirected(answer)
    assert (parameters["scope"], parameters["state"]) == ("sleep", "the-state")
    token = world.redeem("acme", parameters["code"]).json()["body"]
    assert (token["user_id"], token["scope"]) == (4711, "sleep")
    assert [call["outcome"] for call in world.calls()] == ["shown", "approved", "issued"]


def test_a_user_denies_access(world: World) -> None:
    page = world.authorize("sandbox")
    assert redirected(world.http.post(page.url, data={"decision": "deny"}))["error"] == "access_denied"


def test_the_sandbox_works_under_a_prefix() -> None:
    mounted = Starlette(routes=[Mount("/sandbox", app=application())])
    with serve(mounted) as base, httpx.Client(verify=False, trust_env=False) as http:
        world = World(f"{base}/sandbox", http)
        page = world.authorize("sandbox")
        form = re.search(r"<form[^>]*>", page.text)
        assert form is not None
        assert form[0] == '<form method="post">'
        approved = redirected(http.post(page.url, data={"decision": "approve", "grant-0": "sleep", "account": "ann"}))
        token = world.redeem("sandbox", approved["code"]).json()
        assert world.account("sandbox", token["access_token"]).json() == {"sub": "ann"}
        world.fault("redirect")
        assert httpx.URL(page.url).join(world.refresh("sandbox", "x").headers["location"]).path == "/sandbox/elsewhere"
        world.fault("drop")
        with pytest.raises(httpx.RemoteProtocolError):
            world.refresh("sandbox", token["refresh_token"])


def test_a_provider_without_a_client_rejects_every_app() -> None:
    app = create_app([Dialect.read(tomllib.loads(ENTRIES["sandbox"]))], {}, {"sandbox": {"code_life": 5}})
    with serve(app) as base, httpx.Client(verify=False, trust_env=False) as http:
        world = World(base, http)
        assert world.authorize("sandbox", decision="approve").status_code == 400
        assert world.redeem("sandbox", "a-code").status_code == 401
        assert world.control("GET", "settings")["sandbox"]["code_life"] == 5


def test_a_denial_may_have_the_state_alone(world: World) -> None:
    assert redirected(world.authorize("coros", decision="deny")) == {"state": "the-state"}
    assert world.calls()[-1]["outcome"] == "denied"


@pytest.mark.parametrize("value", [None, "online"])
def test_the_parameters_of_the_entry_are_required(world: World, value: str | None) -> None:
    assert redirected(world.authorize("oura", access_type=value))["error"] == "invalid_request"
    assert "code" in world.approve("oura")


def test_a_page_that_reads_its_parameters_after_the_hash(world: World) -> None:
    """A browser sends nothing of what is after it, so the page's script moves it into the query."""
    page = world.http.get(f"{world.base}/zepp/authorize?lang=en")
    assert page.status_code == 200
    script = page.text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.headers["content-security-policy"]
    assert "code" in world.approve("zepp")
    assert "script-src" not in world.authorize("sandbox").headers["content-security-policy"]
