"""What requests must have besides tokens: header fields, and the parameters of the entry's URLs."""

from __future__ import annotations

import pytest

from tests.sandbox.world import SUBSCRIPTION_KEY, World, refused

KEY = "Ocp-Apim-Subscription-Key"


@pytest.mark.parametrize("value", [None, "", "wrong", SUBSCRIPTION_KEY + "x"])
def test_a_secret_in_a_header_field_is_checked_at_the_token_endpoint(world: World, value: str | None) -> None:
    code = world.approve("suunto")["code"]
    answer = world.token("suunto", {KEY: value}, grant_type="authorization_code", code=code)
    assert refused(answer, "invalid_client", 401)
    token = world.redeem("suunto", code).json()["refresh_token"]
    answer = world.token("suunto", {KEY: value}, grant_type="refresh_token", refresh_token=token)
    assert refused(answer, "invalid_client", 401)
    assert world.refresh("suunto", token).status_code == 200
    assert world.calls(endpoint="token")[-1]["headers"] == {KEY: SUBSCRIPTION_KEY}


def test_a_fixed_header_field_is_checked(world: World) -> None:
    code = world.approve("polar")["code"]
    answer = world.token("polar", {"Accept": "*/*"}, grant_type="authorization_code", code=code)
    assert refused(answer, "invalid_request")
    assert world.redeem("polar", code).status_code == 200


@pytest.mark.parametrize(("name", "value"), [(KEY, None), ("X-App", "app someone"), ("X-App", "suunto")])
def test_the_header_fields_of_the_api_are_checked(world: World, name: str, value: str | None) -> None:
    token = world.connect("suunto")["access_token"]
    assert refused(world.api("suunto", token, changes={name: value}), "invalid_client", 403)
    assert world.api("suunto", token).status_code == 200


def test_the_header_fields_of_the_account_are_checked(world: World) -> None:
    token = world.connect("garmin")["access_token"]
    assert refused(world.ask("garmin", "account", token, **{"X-Client": "other"}), "invalid_client", 403)
    assert world.account("garmin", token).status_code == 200


def test_the_parameters_in_a_url_are_checked(world: World) -> None:
    code, token = world.approve("garmin")["code"], world.connect("garmin")["access_token"]
    entry, bearer = world.entry("garmin"), {"Authorization": f"Bearer {token}"}
    form = {"grant_type": "authorization_code", "code": code, "client_id": "garmin"}
    for url in (f"{world.base}/garmin/token", entry["token"]["url"] + "&code=x", entry["token"]["url"] + "&v=2"):
        assert refused(world.http.post(url, data=form), "invalid_request")
    for query in ("", "?all=1&access_token=x", "?all=0"):
        answer = world.http.get(f"{world.base}/garmin/granted{query}", headers=bearer)
        assert refused(answer, "invalid_request"), query
    assert world.redeem("garmin", code).status_code == 200
    assert refused(world.http.post(f"{world.base}/zepp/refresh"), "invalid_request")
    refresh_token = world.connect("zepp")["refresh_token"]
    assert world.refresh("zepp", refresh_token).status_code == 200
