"""Every provider of the catalogue has recorded error answers, and each has the expected meaning.

New entries are picked up automatically.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from providers.catalogue import read_catalogue
from providers.errors import ErrorAnswer
from providers.token_answer import read_token_answer
from tests.providers.recorded_errors import RecordedError, recorded, recorded_slugs
from wire.http.response import Response

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CATALOGUE = read_catalogue(variables={}, allow_private=True)
CASES = [pytest.param(slug, error, id=f"{slug}-{error.name}") for slug in CATALOGUE for error in recorded(slug)]


@pytest.mark.parametrize(("slug", "error"), CASES)
def test_the_error_means_what_it_should(slug: str, error: RecordedError) -> None:
    fields = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    with pytest.raises(ErrorAnswer) as raised:
        read_token_answer(CATALOGUE[slug], Response(error.status, error.content, headers=fields), NOW)
    assert (raised.value.meaning, raised.value.retry_after) == (error.meaning, error.wait)
    assert "made-up" not in str(raised.value)


def test_every_entry_has_recorded_errors_and_every_recording_an_entry() -> None:
    assert recorded_slugs() == set(CATALOGUE)


@pytest.mark.parametrize("slug", CATALOGUE)
def test_a_bad_code_wrong_credentials_and_too_many_requests_are_recorded(slug: str) -> None:
    assert {error.meaning for error in recorded(slug)} >= {"grant_over", "misconfigured", "slow_down"}
