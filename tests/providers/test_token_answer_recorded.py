"""Every provider of the catalogue has a recorded token answer, and it is read as recorded.

A new entry is found by itself. Its file in `answers/` holds the shape that the vendor documents, with made-up values.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from providers.catalogue import read_catalogue
from providers.token_answer import TokenAnswer, read_token_answer
from wire.http.response import Response

ANSWERS = Path(__file__).with_name("answers")
CATALOGUE = read_catalogue(variables={}, allow_private=True)


@pytest.mark.parametrize("slug", CATALOGUE)
def test_the_token_answer_is_read_as_recorded(slug: str) -> None:
    file = ANSWERS / f"{slug}.json"
    assert file.exists(), f"record a token answer of {slug} in tests/providers/answers/{slug}.json"
    recorded: dict[str, Any] = json.loads(file.read_text())
    answer = Response(recorded["status"], json.dumps(recorded["body"]).encode())
    found = read_token_answer(CATALOGUE[slug], answer, datetime.fromisoformat(recorded["now"]))
    assert found == _expected(recorded["expected"])


def test_every_recorded_answer_belongs_to_an_entry() -> None:
    assert {file.stem for file in ANSWERS.iterdir()} == set(CATALOGUE)


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
