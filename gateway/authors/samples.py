"""Records answers as the samples of the test suite: `answers/<slug>.json` and `errors/<slug>.json`, without anything
secret or personal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.authors.redaction import Redactor, redacted_headers
from gateway.authors.tracing import Exchanged
from providers.entry.provider import Provider
from providers.error_answer import read_failure
from providers.errors import ErrorAnswer, RequestFailed
from providers.revocation import RevocationOutcome
from providers.token_answer import PresentToken, TokenAnswer, read_token_answer
from wire.http.response import Response


class Samples:
    """What is recorded of one flow. `now` is the time from which `expires_in` counts."""

    def __init__(self, entry: Provider, redactor: Redactor, now: datetime) -> None:
        self._entry = entry
        self._redactor = redactor
        self._now = now.astimezone(UTC).replace(microsecond=0)
        self._answer: dict[str, Any] | None = None
        self._present: PresentToken | None = None
        self._errors: list[dict[str, Any]] = []

    def add_answer(self, exchanged: Exchanged) -> None:
        """The answer to the code."""
        found = self._read(exchanged)
        if found is not None:
            row, answer = found
            self._answer = {"now": self._now.isoformat(), **row}
            lifetime = None if answer.expires_at is None else answer.expires_at - self._now
            self._present = PresentToken(answer.access_token, lifetime)

    def add_refresh(self, exchanged: Exchanged) -> None:
        found = self._read(exchanged)
        if found is not None and self._answer is not None:
            self._answer["refresh"] = found[0]

    def add_error(self, exchanged: Exchanged, name: str, request: str = "exchange") -> None:
        """An answer that is an error, under a name that says what was wrong with the request."""
        row = self._row(exchanged, name, request)
        if row is None:
            return
        try:
            read_token_answer(self._entry, _response(row), self._now)
        except ErrorAnswer as error:
            self._errors.append({**row, **_meaning(error)})
        except RequestFailed:
            # It is no answer that Tendon can read, so there is nothing to expect.
            return

    def add_revocation(self, exchanged: Exchanged, outcome: RevocationOutcome | RequestFailed) -> None:
        row = self._row(exchanged, "a revocation", "revoke")
        if row is None:
            return
        if isinstance(outcome, RevocationOutcome):
            self._errors.append({**row, "outcome": outcome.value})
        elif isinstance(outcome, ErrorAnswer) and self._entry.revoke is not None:
            error = read_failure(self._entry.revoke.errors, _response(row))
            self._errors.append({**row, **(_meaning(error) if isinstance(error, ErrorAnswer) else {})})

    def write(self, folder: Path) -> list[Path]:
        """Writes the files, and returns those that were written. Recorded errors of other names stay."""
        written: list[Path] = []
        if self._answer is not None:
            written.append(_write(folder / "answers", self._entry.slug, json.dumps(self._answer, indent=2)))
        if self._errors:
            names = {row["name"] for row in self._errors}
            file = folder / "errors" / f"{self._entry.slug}.json"
            kept: list[dict[str, Any]] = json.loads(file.read_text("utf-8")) if file.exists() else []
            rows = [*(row for row in kept if row["name"] not in names), *self._errors]
            lines = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows)
            written.append(_write(folder / "errors", self._entry.slug, f"[\n{lines}\n]"))
        return written

    def _read(self, exchanged: Exchanged) -> tuple[dict[str, Any], TokenAnswer] | None:
        """The row of a token answer, and what Tendon reads in it; None if it can't read it."""
        if exchanged.response is None:
            return None
        row = {"status": exchanged.response.status, "body": self._redactor.document(exchanged.document)}
        try:
            answer = read_token_answer(self._entry, _response(row), self._now, self._present)
        except RequestFailed:
            return None
        return {**row, "expected": _expected(answer)}, answer

    def _row(self, exchanged: Exchanged, name: str, request: str) -> dict[str, Any] | None:
        response = exchanged.response
        if response is None:
            return None
        headers = {field.decode("latin-1"): value.decode("latin-1") for field, value in response.headers}
        kept = redacted_headers(headers, self._entry)
        row = {"name": name, "request": request, "status": response.status, "headers": kept}
        row |= {"body": self._redactor.document(exchanged.document)}
        return {key: value for key, value in row.items() if value or key != "headers"}


def _response(row: dict[str, Any]) -> Response:
    """As the tests make it of a row."""
    headers = [(name.lower().encode(), value.encode()) for name, value in row.get("headers", {}).items()]
    return Response(row["status"], b"" if row["body"] is None else json.dumps(row["body"]).encode(), headers=headers)


def _meaning(error: ErrorAnswer) -> dict[str, Any]:
    wait = {} if error.retry_after is None else {"wait": error.retry_after}
    return {"meaning": error.meaning.value, **wait}


def _expected(answer: TokenAnswer) -> dict[str, Any]:
    return {
        "access_token": answer.access_token,
        "refresh_token": answer.refresh_token,
        "expires_at": None if answer.expires_at is None else answer.expires_at.isoformat(),
        "scopes": None if answer.scopes is None else list(answer.scopes),
        "account": answer.account,
    }


def _write(folder: Path, slug: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{slug}.json"
    file.write_text(f"{text}\n", encoding="utf-8")
    return file
