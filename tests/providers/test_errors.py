"""What a failed request may have done at the provider, and when to ask again."""

from __future__ import annotations

import pytest

from providers.errors import (
    Busy,
    CircuitOpen,
    Effect,
    ErrorAnswer,
    ForbiddenAddress,
    Meaning,
    RequestFailed,
    TimedOut,
    TransportFailure,
    Unreachable,
    UnreadableResponse,
    effect_of,
    wait_of,
)


@pytest.mark.parametrize(
    ("fault", "effect"),
    [
        (Busy(), Effect.NOT_SENT),
        (CircuitOpen(7), Effect.NOT_SENT),
        (Unreachable(), Effect.NOT_SENT),
        (ForbiddenAddress(), Effect.NOT_SENT),
        (TimedOut(sent=False), Effect.NOT_SENT),
        (TransportFailure("the client is closed", sent=False), Effect.NOT_SENT),
        (TimedOut(sent=True), Effect.UNKNOWN),
        (TimedOut(sent=True, stood_still=True), Effect.UNKNOWN),
        (TransportFailure("the connection broke", sent=True), Effect.UNKNOWN),
        (UnreadableResponse("the body is too large", 200), Effect.UNKNOWN),
        (UnreadableResponse("neither a success nor an error", 302), Effect.UNKNOWN),
        (RequestFailed(), Effect.UNKNOWN),
    ],
)
def test_the_effect_of_a_request_without_an_answer(fault: RequestFailed, effect: Effect) -> None:
    assert effect_of(fault) is effect


@pytest.mark.parametrize(
    ("meaning", "effect"),
    [
        (Meaning.GRANT_OVER, Effect.REFUSED),
        (Meaning.MISCONFIGURED, Effect.MISCONFIGURED),
        (Meaning.SLOW_DOWN, Effect.NOT_DONE),
        (Meaning.UNCLEAR, Effect.NOT_DONE),
        (Meaning.ACCESS_DENIED, Effect.NOT_DONE),
        (Meaning.TEMPORARY, Effect.UNKNOWN),
    ],
)
def test_the_effect_of_an_error_answer(meaning: Meaning, effect: Effect) -> None:
    assert effect_of(ErrorAnswer(None, 400, meaning)) is effect


def test_every_meaning_has_an_effect_and_only_one_is_final() -> None:
    effects = [effect_of(ErrorAnswer(None, 400, meaning)) for meaning in Meaning]
    assert effects.count(Effect.REFUSED) == 1


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        (ErrorAnswer(None, 429, Meaning.SLOW_DOWN, retry_after=30), 30),
        (ErrorAnswer(None, 429, Meaning.SLOW_DOWN), None),
        (CircuitOpen(7), 7),
        (Busy(), None),
        (TimedOut(sent=True), None),
    ],
)
def test_when_to_ask_again(fault: RequestFailed, wait: int | None) -> None:
    assert wait_of(fault) == wait
