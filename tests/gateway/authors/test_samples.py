"""Samples are in the form that the tests of the catalogue read, and Tendon reads the same in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.authors.redaction import Redactor
from gateway.authors.samples import Samples
from gateway.authors.tracing import Exchanged
from providers.entry.provider import Provider
from providers.error_answer import read_failure
from providers.errors import ErrorAnswer
from providers.revocation import RevocationOutcome
from tests.providers.entries import provider
from tests.providers.recorded_errors import RecordedError
from wire.http.client import request
from wire.http.response import Response

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
TOKENS = {"access_token": "s3cr3tAccess", "refresh_token": "s3cr3tRefresh", "expires_in": 60, "user": {"id": 227615}}
ENTRY = provider(
    token="account = 'user.id'\nerrors = [{field = 'fault', equals = 'gone', meaning = 'grant_over'}]",
    tables="[revoke]\nurl = 'https://acme.example/r'\ntoken = 'access_token'\n",
)


def exchanged(document: Any, status: int = 200, **headers: str) -> Exchanged:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Exchanged(request("POST", "https://acme.example/t"), Response(status, content, headers=fields))


def samples(entry: Provider = ENTRY) -> Samples:
    return Samples(entry, Redactor(entry), NOW)


def test_token_answers(tmp_path: Path) -> None:
    recorded = samples()
    recorded.add_answer(exchanged(TOKENS))
    recorded.add_refresh(exchanged(TOKENS | {"access_token": "s3cr3tAccess2"}))
    (file,) = recorded.write(tmp_path)
    assert file == tmp_path / "answers" / "acme.json"
    text = file.read_text(encoding="utf-8")
    assert "s3cr3t" not in text
    assert "227615" not in text
    found = json.loads(text)
    assert (found["now"], found["status"]) == ("2026-11-30T12:00:00+00:00", 200)
    assert found["expected"]["access_token"] == found["body"]["access_token"]
    assert found["expected"]["account"] == str(found["body"]["user"]["id"])
    assert found["expected"]["expires_at"] == "2026-11-30T12:01:00+00:00"
    refresh = found["refresh"]
    assert refresh["body"]["refresh_token"] == found["body"]["refresh_token"]
    assert refresh["body"]["access_token"] != found["body"]["access_token"]


def test_errors_and_revocations(tmp_path: Path) -> None:
    recorded = samples()
    recorded.add_error(exchanged({"fault": "gone", "trace": "t-1234567"}, 400), "a made-up code")
    recorded.add_error(exchanged({}, 429, retry_after="7", x_secret="s3cr3t"), "too many", "refresh")
    recorded.add_error(exchanged(TOKENS), "no error")
    recorded.add_error(exchanged(b"<html>", 500), "an outage")
    recorded.add_revocation(exchanged(b"", 204), RevocationOutcome.CONFIRMED)
    (file,) = recorded.write(tmp_path)
    text = file.read_text(encoding="utf-8")
    assert "t-1234567" not in text
    assert "s3cr3t" not in text
    rows = [RecordedError(**row) for row in json.loads(text)]
    assert [(row.name, row.meaning or row.outcome, row.wait) for row in rows] == [
        ("a made-up code", "grant_over", None),
        ("too many", "slow_down", 7),
        ("an outage", "passing", None),
        ("a revocation", "confirmed", None),
    ]
    assert rows[1].headers == {"retry-after": "7"}
    for row in rows[:3]:
        error = read_failure(ENTRY.token.errors, row.response)
        assert isinstance(error, ErrorAnswer)
        assert error.meaning == row.meaning


def test_a_revocation_that_failed(tmp_path: Path) -> None:
    recorded = samples()
    answer = exchanged({"error": "server_error"}, 503)
    assert answer.response is not None
    recorded.add_revocation(answer, read_failure((), answer.response))
    (file,) = recorded.write(tmp_path)
    (row,) = json.loads(file.read_text(encoding="utf-8"))
    assert (row["meaning"], row["request"]) == ("passing", "revoke")


def test_other_recorded_errors_stay(tmp_path: Path) -> None:
    for status in (400, 401):
        recorded = samples()
        recorded.add_error(exchanged({"error": "invalid_grant"}, status), "a made-up code")
        recorded.add_error(exchanged({"error": "invalid_grant"}, status), f"status {status}")
        recorded.write(tmp_path)
    rows = json.loads((tmp_path / "errors" / "acme.json").read_text(encoding="utf-8"))
    assert [(row["name"], row["status"]) for row in rows] == [
        ("status 400", 400),
        ("a made-up code", 401),
        ("status 401", 401),
    ]


def test_what_did_not_arrive_is_not_recorded(tmp_path: Path) -> None:
    recorded, nothing = samples(), Exchanged(request("POST", "https://acme.example/t"), None)
    recorded.add_answer(nothing)
    recorded.add_refresh(nothing)
    recorded.add_error(nothing, "nothing")
    recorded.add_revocation(nothing, RevocationOutcome.CONFIRMED)
    assert recorded.write(tmp_path) == []
