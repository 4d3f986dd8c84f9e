"""Every provider of the catalogue has recorded error answers, and each has the expected meaning.

New entries are picked up automatically.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from providers.catalogue import read_catalogue
from providers.errors import Effect, ErrorAnswer, effect_of
from providers.revocation import read_revocation
from providers.token_answer import read_token_answer
from tests.providers.recorded_errors import RecordedError, recorded, recorded_slugs

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CATALOGUE = read_catalogue(variables={}, allow_private=True)
ANSWERS = [(slug, error) for slug in CATALOGUE for error in recorded(slug)]
CASES = [pytest.param(slug, error, id=f"{slug}-{error.name}") for slug, error in ANSWERS if error.meaning]
OUTCOMES = [pytest.param(slug, answer, id=f"{slug}-{answer.name}") for slug, answer in ANSWERS if answer.outcome]
REFRESHING = [slug for slug, entry in CATALOGUE.items() if entry.token.refresh != "none"]
REVOKING = [slug for slug, entry in CATALOGUE.items() if entry.revoke]


def read(slug: str, answer: RecordedError) -> object:
    if answer.request != "revoke":
        return read_token_answer(CATALOGUE[slug], answer.response, NOW)
    rule = CATALOGUE[slug].revoke
    assert rule is not None
    return read_revocation(rule, answer.response)


@pytest.mark.parametrize(("slug", "error"), CASES)
def test_the_error_means_what_it_should(slug: str, error: RecordedError) -> None:
    with pytest.raises(ErrorAnswer) as raised:
        read(slug, error)
    assert (raised.value.meaning, raised.value.retry_after) == (error.meaning, error.wait)
    assert "made-up" not in str(raised.value)


@pytest.mark.parametrize(("slug", "answer"), OUTCOMES)
def test_the_answer_to_a_revocation_is_read_as_recorded(slug: str, answer: RecordedError) -> None:
    assert getattr(read(slug, answer), "value", None) == answer.outcome


def test_every_entry_has_recorded_errors_and_every_recording_an_entry() -> None:
    assert recorded_slugs() == set(CATALOGUE)


@pytest.mark.parametrize("slug", CATALOGUE)
def test_a_bad_code_wrong_credentials_and_too_many_requests_are_recorded(slug: str) -> None:
    assert {error.meaning for error in recorded(slug)} >= {"grant_over", "misconfigured", "slow_down"}


@pytest.mark.parametrize("slug", REFRESHING)
def test_a_dead_refresh_token_is_recorded_and_is_the_only_final_refusal(slug: str) -> None:
    errors = [error for error in recorded(slug) if error.request == "refresh"]
    final = [error.name for error in errors if _effect(slug, error) is Effect.REFUSED]
    assert final == ["a dead refresh token"]


@pytest.mark.parametrize("slug", REVOKING)
def test_a_revocation_is_recorded(slug: str) -> None:
    assert "confirmed" in {answer.outcome for answer in recorded(slug) if answer.request == "revoke"}


def _effect(slug: str, error: RecordedError) -> Effect:
    with pytest.raises(ErrorAnswer) as raised:
        read(slug, error)
    return effect_of(raised.value)
