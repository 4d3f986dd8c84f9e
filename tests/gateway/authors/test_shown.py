"""Requests and answers are shown without secrets."""

from __future__ import annotations

import json

import pytest

from gateway.authors.redaction import Redactor
from gateway.authors.shown import answer_lines, request_lines, url_lines
from gateway.authors.tracing import Exchanged
from tests.providers.entries import provider
from wire.http.client import request
from wire.http.response import Response

CANARY = "canary-7f3a"


def test_a_request() -> None:
    entry = provider(token="params = {action = 'requesttoken'}")
    form = f"grant_type=refresh_token&refresh_token={CANARY}&action=requesttoken&client_secret={CANARY}"
    sent = request(
        "POST",
        f"https://acme.example:8443/token?key={CANARY}",
        authorization=f"Bearer {CANARY}",
        headers=(("X-Key", CANARY),),
        form=form,
    )
    assert list(request_lines(Exchanged(sent, None), entry)) == [
        "POST https://acme.example:8443/token",
        "  ?key=… (11 characters)",
        "  X-Key: … (11 characters)",
        "  Authorization: Bearer … (11 characters)",
        "  grant_type=refresh_token",
        "  refresh_token=… (11 characters)",
        "  action=requesttoken",
        "  client_secret=… (11 characters)",
    ]


def test_a_parameter_of_the_entry_with_another_value_is_hidden() -> None:
    entry = provider(token="params = {api = 'x'}")
    lines = list(
        request_lines(Exchanged(request("POST", "https://acme.example/t", form=f"code={CANARY}"), None), entry)
    )
    assert lines[1:] == ["  code=… (11 characters)"]


def test_a_json_document_is_shown_by_its_members() -> None:
    sent = request("POST", "https://acme.example/users", json=json.dumps({"member-id": CANARY}).encode())
    assert list(request_lines(Exchanged(sent, None), provider()))[1:] == ["  member-id=… (11 characters)"]


def test_the_path_of_a_revocation() -> None:
    entry = provider(tables="[revoke]\nurl = 'https://acme.example/u/{account}/x'\nauth = 'bearer'\nmethod = 'DELETE'")
    lines = list(request_lines(Exchanged(request("DELETE", f"https://acme.example/u/{CANARY}/x"), None), entry))
    assert lines == ["DELETE https://acme.example/u/{account}/x"]
    lines = list(request_lines(Exchanged(request("GET", "https://acme.example/me"), None), entry))
    assert lines == ["GET https://acme.example/me"]


def answered(content: bytes) -> list[str]:
    exchanged = Exchanged(request("GET", "https://acme.example"), Response(200, content))
    return list(answer_lines(exchanged, Redactor()))


def test_an_answer() -> None:
    lines = answered(json.dumps({"access_token": CANARY, "expires_in": 60, "a": [{"b": None}]}).encode())
    assert lines[0] == "status 200, JSON, with made-up values:"
    assert lines[2:] == ["  expires_in: 60", "  a.0.b: None"]
    assert CANARY not in lines[1]
    assert answered(b"") == ["status 200, no body"]
    assert answered(b"{}") == ["status 200, an empty JSON document"]
    assert answered(CANARY.encode()) == ["status 200, 11 bytes that are no JSON"]
    assert answered(b"[" + b"0," * 99 + b"0]")[-1] == "  … and 40 more"
    assert list(answer_lines(Exchanged(request("GET", "https://acme.example"), None), Redactor())) == ["no answer"]


@pytest.mark.parametrize("text", ['{"a": ' * 600 + "1" + "}" * 600, "[" * 600 + "]" * 600])
def test_an_answer_that_is_nested_too_deeply(text: str) -> None:
    assert answered(text.encode()) == [f"status 200, {len(text)} bytes that are no JSON"]


def test_an_authorization_url() -> None:
    entry = provider(authorize="params = {access_type = 'offline'}")
    url = f"https://acme.example/#/authorize?scope=a&state={CANARY}&access_type=offline"
    assert list(url_lines(url, entry)) == [
        "https://acme.example/",
        "  scope=a",
        "  state=… (11 characters)",
        "  access_type=offline",
    ]
