"""Every provider of the catalogue has recorded token answers, to a code and to a refresh, read as recorded.

A new entry is found by itself. Its file in `answers/` holds the shape that the vendor documents, with made-up values.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from providers.catalogue import read_catalogue
from providers.token_answer import PresentToken, TokenAnswer, read_token_answer
from wire.http.response import Response

ANSWERS = Path(__file__).with_name("answers")
CATALOGUE = read_catalogue(variables={}, allow_private=True)


REFRESHING = [slug for slug, entry in CATALOGUE.items() if entry.token.refresh != "none"]


@pytest.mark.parametrize("slug", CATALOGUE)
def test_the_token_answer_is_read_as_recorded(slug: str) -> None:
    assert _read(slug, _recorded(slug)) == _expected(_recorded(slug)["expected"])


@pytest.mark.parametrize("slug", REFRESHING)
def test_the_answer_to_a_refresh_is_read_as_recorded(slug: str) -> None:
    refresh = _recorded(slug).get("refresh")
    assert refresh, f"record the answer to a refresh of {slug} in tests/providers/answers/{slug}.json, as `refresh`"
    assert _read(slug, refresh) == _expected(refresh["expected"])


def test_every_recorded_answer_belongs_to_an_entry() -> None:
    assert {file.stem for file in ANSWERS.iterdir()} == set(CATALOGUE)


def _recorded(slug: str) -> dict[str, Any]:
    file = ANSWERS / f"{slug}.json"
    assert file.exists(), f"record a token answer of {slug} in tests/providers/answers/{slug}.json"
    return json.loads(file.read_text())


def _read(slug: str, answer: dict[str, Any]) -> TokenAnswer:
    response = Response(answer["status"], json.dumps(answer["body"]).encode())
    # The token that a refresh extends, if the answer has none.
    present = answer.get("present")
    extended = PresentToken(present["access_token"], timedelta(seconds=present["lifetime"])) if present else None
    return read_token_answer(CATALOGUE[slug], response, datetime.fromisoformat(_recorded(slug)["now"]), extended)


def _expected(recorded: dict[str, Any]) -> TokenAnswer:
    expires_at, scopes = recorded["expires_at"], recorded["scopes"]
    return TokenAnswer(
        access_token=recorded["access_token"],
        refresh_token=recorded["refresh_token"],
        token_type="Bearer",
        expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
        scopes=tuple(scopes) if scopes is not None else None,
        account=recorded["account"],
    )
