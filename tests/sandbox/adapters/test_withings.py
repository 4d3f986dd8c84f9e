"""A signed revocation: what is signed, and with which nonce."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from tests.sandbox.world import SECRET, World


def sign(*parts: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), ",".join(parts).encode(), hashlib.sha256).hexdigest()


def nonce(world: World, **changes: str) -> dict[str, Any]:
    form = {"action": "getnonce", "client_id": "withings", "timestamp": "1700000000"}
    form["signature"] = sign("getnonce", "withings", form["timestamp"])
    answer = world.http.post(f"{world.base}/withings/signature", data={**form, **changes})
    assert answer.status_code == 200
    return answer.json()


def revoke(world: World, account: str = "4711", **changes: str) -> dict[str, Any]:
    form = {"action": "revoke", "client_id": "withings", "userid": account, "nonce": nonce(world)["body"]["nonce"]}
    form["signature"] = sign("revoke", "withings", form["nonce"])
    answer = world.http.post(f"{world.base}/withings/revoke", data={**form, **changes})
    assert answer.status_code == 200
    return answer.json()


def endings(world: World) -> list[str | None]:
    return [family["ended"] for family in world.families(slug="withings", account="4711")]


def test_a_signed_revocation_ends_the_access_to_the_account(world: World) -> None:
    world.connect("withings", account="4711")
    world.connect("withings", account="4712")
    assert revoke(world) == {"status": 0, "body": {}}
    assert endings(world) == ["revoked"]
    assert [family["ended"] for family in world.families(slug="withings", account="4712")] == [None]
    assert [call["outcome"] for call in world.calls(slug="withings")[-2:]] == ["nonce", "revoked"]
    assert revoke(world) == {"status": 0, "body": {}}
    assert world.calls()[-1]["outcome"] == "unknown_token"


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": ""},
        {"signature": sign("revoke", "withings", "another")},
        {"signature": sign("revoke", "withings", "x", secret="other"), "nonce": "x"},
        {"client_id": "strava"},
        {"client_secret": SECRET},
        {"action": "requesttoken"},
        {"userid": ""},
        {"nonce": ""},
        {"nonce": "made-up", "signature": sign("revoke", "withings", "made-up")},
    ],
)
def test_what_is_refused(world: World, changes: dict[str, str]) -> None:
    world.connect("withings", account="4711")
    assert revoke(world, **changes)["status"] != 0
    assert endings(world) == [None]


def test_a_wrong_signature_is_an_error_in_the_words_of_the_entry(world: World) -> None:
    assert revoke(world, signature="x")["status"] == 293


def test_a_nonce_works_once(world: World) -> None:
    world.connect("withings", account="4711")
    used = nonce(world)["body"]["nonce"]
    signed = {"nonce": used, "signature": sign("revoke", "withings", used)}
    assert revoke(world, "4712", **signed)["status"] == 0
    assert revoke(world, **signed)["status"] != 0
    assert endings(world) == [None]


@pytest.mark.parametrize(
    "changes", [{"signature": "x"}, {"timestamp": "1700000001"}, {"timestamp": ""}, {"action": "revoke"}]
)
def test_a_nonce_must_be_signed_for(world: World, changes: dict[str, str]) -> None:
    answer = nonce(world, **changes)
    assert (answer["status"] != 0, "body" in answer) == (True, False)
