"""Every fault as a client sees it, and whether the request had its effect."""

from __future__ import annotations

import gzip
import io
import json
import socket
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from sandbox import faults
from sandbox.faults import FAULTS
from tests.sandbox.world import SECRET, World, application, serve


def redeem(world: World, fault: str, **more: Any) -> httpx.Response:
    """The answer to a valid token request, with the fault."""
    code = world.approve("sandbox")["code"]
    world.fault(fault, **more)
    return world.redeem("sandbox", code)


def last(world: World) -> tuple[str, str]:
    call = world.calls()[-1]
    return call["fault"], call["outcome"]


@contextmanager
def reading(world: World, fault: str) -> Generator[httpx.Response]:
    world.fault(fault)
    with world.http.stream("POST", f"{world.base}/token", data={"grant_type": "x"}) as answer:
        yield answer


@pytest.mark.parametrize("seconds", [None, 0.1])
def test_hang(world: World, seconds: float | None) -> None:
    world.fault("hang", seconds=seconds)
    expected = httpx.ReadTimeout if seconds is None else httpx.RemoteProtocolError
    with pytest.raises(expected):
        world.http.post(f"{world.base}/token", data={}, timeout=0.3)
    assert last(world) == ("hang", "hang")


def test_slow(world: World) -> None:
    started = time.monotonic()
    assert "access_token" in redeem(world, "slow", seconds=0.2).json()
    assert time.monotonic() - started >= 0.2
    assert last(world) == ("slow", "issued")


def test_drip(world: World) -> None:
    with reading(world, "drip") as answer:
        pieces = answer.iter_raw()
        assert [len(next(pieces)) for _ in range(2)] == [1, 1]


def test_drop_processes_nothing(world: World) -> None:
    code = world.approve("sandbox")["code"]
    world.fault("drop")
    with pytest.raises(httpx.RemoteProtocolError):
        world.redeem("sandbox", code)
    assert last(world) == ("drop", "drop")
    assert world.calls()[-1]["form"]["code"] == code
    assert world.redeem("sandbox", code).status_code == 200


def test_lost_processes_the_request(world: World) -> None:
    code = world.approve("sandbox")["code"]
    world.fault("lost")
    with pytest.raises(httpx.RemoteProtocolError):
        world.redeem("sandbox", code)
    assert last(world) == ("lost", "issued")
    assert world.states("access_token") == ["live"]
    assert world.redeem("sandbox", code).json()["error"] == "invalid_grant"


def test_the_connection_is_closed_with_both_of_uvicorns_parsers(capfd: pytest.CaptureFixture[str]) -> None:
    for http in ("h11", "httptools"):
        with serve(application(), http) as base, httpx.Client(verify=False, trust_env=False) as client:
            world = World(base, client)
            world.fault("drop")
            with pytest.raises(httpx.RemoteProtocolError):
                world.refresh("sandbox", "x")
            assert world.refresh("sandbox", "x").status_code == 400
    assert capfd.readouterr() == ("", "")


def test_huge(world: World) -> None:
    with reading(world, "huge") as answer:
        size = 0
        for piece in answer.iter_raw():
            size += len(piece)
            if size > 5_000_000:
                break
    assert size > 5_000_000
    assert world.redeem("sandbox", world.approve("sandbox")["code"]).status_code == 200


def test_gzip_bomb(world: World) -> None:
    with reading(world, "gzip_bomb") as answer:
        assert answer.headers["content-encoding"] == "gzip"
        packed = b"".join(answer.iter_raw())
    assert len(packed) < 2_000_000
    with gzip.open(io.BytesIO(packed)) as whole:
        assert whole.read(42) == b'{"token_type":"Bearer","access_token":"xxx'
        assert whole.seek(256 * 1024 * 1024) == 256 * 1024 * 1024
        assert whole.read().endswith(b'x"}')


def test_deep_json(world: World) -> None:
    with pytest.raises(RecursionError):
        redeem(world, "deep_json").json()


def test_big_headers(world: World) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        redeem(world, "big_headers")


@pytest.mark.parametrize(
    ("fault", "status", "media_type"),
    [
        ("status_500", 500, "text/plain"),
        ("status_503", 503, "application/json"),
        ("status_429", 429, "application/json"),
        ("html", 200, "text/html"),
        ("not_json", 200, "application/json"),
        ("empty", 200, "application/json"),
        ("opaque_400", 400, "text/plain"),
        ("error_200", 200, "application/json"),
        ("invalid_client", 401, "application/json"),
        ("invalid_grant", 400, "application/json"),
        ("unauthorized_client", 400, "application/json"),
        ("access_denied", 400, "application/json"),
    ],
)
def test_a_replaced_answer_processes_nothing(world: World, fault: str, status: int, media_type: str) -> None:
    answer = redeem(world, fault)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(media_type)
    assert "access_token" not in answer.text or fault == "not_json"
    assert last(world) == (fault, fault)
    assert world.states("access_token") == []


@pytest.mark.parametrize("fault", ["invalid_client", "invalid_grant", "unauthorized_client", "access_denied"])
def test_an_oauth_error_carries_its_code(world: World, fault: str) -> None:
    assert redeem(world, fault).json()["error"] == fault
    world.fault(fault, slug="withings")
    answer = world.redeem("withings", "x")
    assert (answer.status_code, answer.json()["status"] != 0) == (200, True)


def test_bodies_of_replaced_answers(world: World) -> None:
    assert redeem(world, "error_200").json() == {"error": "invalid_grant"}
    assert redeem(world, "empty").content == b""
    with pytest.raises(ValueError, match="Unterminated"):
        redeem(world, "not_json").json()


@pytest.mark.parametrize("fault", ["status_503", "status_429"])
def test_retry_after(world: World, fault: str) -> None:
    assert redeem(world, fault).headers["retry-after"] == "1"
    assert redeem(world, fault, seconds=7).headers["retry-after"] == "7"


def test_redirect(world: World) -> None:
    answer = redeem(world, "redirect")
    assert answer.status_code == 302
    assert world.http.get(answer.url.join(answer.headers["location"])).status_code == 200
    assert world.calls()[-1]["endpoint"] == "elsewhere"


def test_error_echo(world: World) -> None:
    code = world.approve("suunto")["code"]
    world.fault("error_echo", slug="suunto")
    answer = world.redeem("suunto", code)
    authorization = world.authorization("suunto")["Authorization"]
    assert answer.status_code == 400
    for secret in (code, authorization):
        assert secret in answer.text
        assert secret in answer.headers.values()
    assert SECRET in redeem(world, "error_echo").json().values()


def test_error_code_echo(world: World) -> None:
    code = world.approve("sandbox")["code"]
    world.fault("error_code_echo")
    assert world.redeem("sandbox", code).json() == {"error": code}


@pytest.mark.parametrize(
    ("fault", "member", "value"),
    [
        ("no_access_token", "access_token", None),
        ("wrong_types", "access_token", 12345),
        ("expires_negative", "expires_in", -3600),
        ("expires_huge", "expires_in", 10**30),
        ("expires_string", "expires_in", "3600"),
        ("expires_bool", "expires_in", True),
        ("token_type_mac", "token_type", "mac"),
        ("no_refresh", "refresh_token", None),
        ("narrow_scope", "scope", "sleep"),
    ],
)
def test_an_altered_answer_differs_in_one_member(world: World, fault: str, member: str, value: Any) -> None:
    token = redeem(world, fault).json()
    altered = token.pop(member, None)
    assert (type(altered), altered) == (type(value), value)
    assert {member, *token} == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert last(world) == (fault, "issued")
    assert world.states("access_token") == ["live"]


def test_the_token_object_is_altered_at_its_root_and_errors_are_not(world: World) -> None:
    code = world.approve("acme")["code"]
    world.fault("no_access_token", slug="acme", times=2)
    answer = world.redeem("acme", code).json()
    assert (answer["status"], "access_token" in answer["body"], "refresh_token" in answer["body"]) == (0, False, True)
    assert world.redeem("acme", code).json()["status"] == 503
    world.fault("expires_negative", slug="strava")
    assert world.redeem("strava", world.approve("strava")["code"]).json()["expires_at"] == -3600


def test_duplicate_keys(world: World) -> None:
    pairs = json.loads(redeem(world, "duplicate_keys").content, object_pairs_hook=list)
    names = [name for name, _ in pairs]
    assert names.count("access_token") == 2
    assert redeem(world, "duplicate_keys").json()["access_token"] != "another"


def test_a_fault_happens_as_often_as_planned_at_its_endpoint(world: World) -> None:
    world.fault("html", times=2)
    world.fault("status_500", endpoint="account")
    statuses = [world.refresh("sandbox", "x").status_code for _ in range(3)]
    assert statuses == [200, 200, 400]
    assert [world.account("sandbox", "x").status_code for _ in range(2)] == [500, 401]
    world.fault("html", times=None)
    assert [world.refresh("sandbox", "x").status_code for _ in range(3)] == [200] * 3
    world.control("DELETE", "faults")
    assert world.refresh("sandbox", "x").status_code == 400


def test_faults_at_other_endpoints(world: World) -> None:
    world.fault("status_503", endpoint="authorize")
    assert world.authorize("sandbox", decision="approve").status_code == 503
    token = world.connect("sandbox")
    world.fault("lost", endpoint="revoke")
    with pytest.raises(httpx.RemoteProtocolError):
        world.revoke("sandbox", token["access_token"])
    assert world.states("access_token") == ["revoked"]


def test_the_table_lists_every_fault() -> None:
    rows = [line.split("|")[1].strip() for line in (faults.__doc__ or "").splitlines() if line.startswith("| ")]
    assert rows[1:] == list(FAULTS)


def test_late_processes_the_request_although_the_client_has_gone(world: World) -> None:
    token = world.connect("sandbox")["refresh_token"]
    world.fault("late", seconds=0.3)
    with pytest.raises(httpx.ReadTimeout):
        world.http.post(f"{world.base}/token", data=refresh_form(token), timeout=0.1)
    while world.calls()[-1]["closed_at"] is None:
        time.sleep(0.01)
    assert last(world) == ("late", "issued")
    assert world.states("refresh_token") == ["rotated", "live"]


def test_late_answers_a_client_that_waits(world: World) -> None:
    started = time.monotonic()
    assert "access_token" in redeem(world, "late", seconds=0.1).json()
    assert time.monotonic() - started >= 0.1
    call = world.calls()[-1]
    assert call["handled_at"] - call["time"] > 0.05
    assert call["hung_up_at"] is None


@pytest.mark.parametrize(("fault", "states"), [("held", ["live"]), ("held_answer", ["rotated", "live"])])
def test_a_held_call_goes_on_when_it_is_released(world: World, fault: str, states: list[str]) -> None:
    token = world.connect("sandbox")["refresh_token"]
    world.fault(fault)
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(world.refresh, "sandbox", token)
        while not world.calls(grant_type="refresh_token"):
            time.sleep(0.01)
        assert world.states("refresh_token") == states
        assert release(world, slug="google") == 0
        assert release(world, endpoint="revoke") == 0
        assert not answer.done()
        assert release(world, slug="sandbox", endpoint="token", account="sam") == 1
        assert answer.result().status_code == 200
    assert last(world) == (fault, "issued")
    assert release(world) == 0


def test_a_held_call_of_a_client_that_has_gone_still_takes_effect(world: World) -> None:
    token = world.connect("sandbox")["refresh_token"]
    world.fault("held")
    with pytest.raises(httpx.ReadTimeout):
        world.http.post(f"{world.base}/token", data=refresh_form(token), timeout=0.1)
    while world.calls()[-1]["hung_up_at"] is None:
        time.sleep(0.01)
    assert world.states("refresh_token") == ["live"]
    assert release(world, seq=world.calls()[-1]["seq"]) == 1
    while (call := world.calls()[-1])["closed_at"] is None:
        time.sleep(0.01)
    assert call["time"] < call["hung_up_at"] < call["handled_at"] <= call["closed_at"]
    assert world.states("refresh_token") == ["rotated", "live"]


@pytest.mark.parametrize("fault", [None, "hang"])
def test_a_client_that_has_gone_when_its_request_is_read(world: World, fault: str | None) -> None:
    if fault is not None:
        world.fault(fault)
    url = httpx.URL(f"{world.base}/token")
    with socket.create_connection((url.host, url.port or 80)) as line:
        # So that the request and the end of the connection arrive as one.
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        line.sendall(f"POST {url.path} HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: 0\r\n\r\n".encode())
    while not (calls := world.calls()) or calls[-1]["closed_at"] is None:
        time.sleep(0.01)
    assert calls[-1]["hung_up_at"] == calls[-1]["time"]


def test_a_client_that_hears_the_answer_has_not_gone(world: World) -> None:
    world.connect("sandbox")
    assert {call["hung_up_at"] for call in world.calls()} == {None}


def test_clearing_the_faults_releases_what_is_held(world: World) -> None:
    world.fault("held")
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(world.refresh, "sandbox", "x")
        while not world.calls():
            time.sleep(0.01)
        world.control("DELETE", "faults")
        assert answer.result().status_code == 400


def test_faults_for_one_account_and_one_grant_type(world: World) -> None:
    ann, bob = (world.connect("sandbox", account=account) for account in ("ann", "bob"))
    world.fault("status_503", account="ann", grant_type="refresh_token", times=None)
    assert world.connect("sandbox", account="ann")
    assert world.refresh("sandbox", bob["refresh_token"]).status_code == 200
    assert [world.refresh("sandbox", ann["refresh_token"]).status_code for _ in range(2)] == [503, 503]
    assert world.states("refresh_token")[0] == "live"
    world.fault("status_503", account="bob", endpoint="api")
    statuses = [world.api("sandbox", token["access_token"]).status_code for token in (ann, bob, bob)]
    assert statuses == [200, 503, 200]


def test_calls_that_are_skipped_are_answered_or_get_the_next_fault(world: World) -> None:
    world.fault("status_500", skip=2, times=2)
    world.fault("status_503")
    statuses = [world.refresh("sandbox", "x").status_code for _ in range(5)]
    assert statuses == [503, 400, 500, 500, 400]


@pytest.mark.parametrize(
    ("row", "body", "retry_after"), [(0, {"status": 601, "body": {"wait_seconds": 7}}, None), (1, {"status": 522}, "7")]
)
def test_errors_of_the_entry(world: World, row: int, body: dict[str, Any], retry_after: str | None) -> None:
    world.fault("entry_error", slug="withings", row=row, seconds=7)
    answer = world.redeem("withings", "a-code")
    assert answer.status_code == 200
    assert answer.headers.get("retry-after") == retry_after
    assert answer.json() == body | {"error": "Invalid Params: the request is not valid"}


def test_a_row_that_the_entry_does_not_have(world: World) -> None:
    fault = {"slug": "sandbox", "fault": "entry_error"}
    answer = world.http.post(f"{world.base}/_control/faults", json=fault)
    assert (answer.status_code, answer.json()["error_description"].split()[0]) == (400, "row")


def refresh_form(refresh_token: str) -> dict[str, str]:
    client = {"client_id": "sandbox", "client_secret": SECRET}
    return {"grant_type": "refresh_token", "refresh_token": refresh_token, **client}


def release(world: World, **wanted: Any) -> int:
    return world.control("POST", "release", wanted)["released"]
