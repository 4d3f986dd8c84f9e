"""The errors of the contract: their codes, and what is shown of them."""

from __future__ import annotations

import pytest

from resolvers import errors
from resolvers.errors import PROBLEMS, InsufficientScope, InvalidToken, Problem, RateLimited, ServiceUnavailable


def test_every_error_is_found_by_its_code() -> None:
    named = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Problem)]
    named.remove(Problem)
    assert {problem.code: problem for problem in named} == PROBLEMS
    assert len(PROBLEMS) == len(named) == 19


@pytest.mark.parametrize("code", sorted(PROBLEMS.keys() - {"INSUFFICIENT_SCOPE"}))
def test_an_error_has_a_message_of_its_own(code: str) -> None:
    problem = PROBLEMS[code]()
    assert problem.message == str(problem) == problem.default
    assert problem.extensions["code"] == code


def test_a_message_and_a_time_to_wait() -> None:
    problem = errors.ProviderUnavailable("Later.", retry_after=7)
    assert (problem.message, str(problem), problem.retry_after) == ("Later.", "Later.", 7)
    assert problem.extensions == {"code": "PROVIDER_UNAVAILABLE", "retryAfter": 7}
    assert errors.ProviderUnavailable().extensions == {"code": "PROVIDER_UNAVAILABLE"}
    assert errors.ProviderUnavailable(retry_after=0).extensions == {"code": "PROVIDER_UNAVAILABLE", "retryAfter": 0}


@pytest.mark.parametrize("problem", [RateLimited, ServiceUnavailable])
def test_these_may_be_repeated_after_a_second_by_default(problem: type[RateLimited | ServiceUnavailable]) -> None:
    assert problem().extensions == {"code": problem.code, "retryAfter": 1}
    assert problem("Later.", retry_after=9).extensions["retryAfter"] == 9
    assert problem("Later.").message == "Later."


def test_no_other_error_says_when_to_repeat() -> None:
    others = [one for one in PROBLEMS.values() if one not in (RateLimited, ServiceUnavailable, InsufficientScope)]
    assert {problem().retry_after for problem in others} == {None}


def test_a_token_that_is_not_valid_says_why_to_the_log_only() -> None:
    problem = InvalidToken("the token has expired", subject="alice", client_id="app")
    assert (problem.reason, problem.subject, problem.client_id) == ("the token has expired", "alice", "app")
    assert problem.message == "The bearer token is not valid."
    assert InvalidToken(hint="Use dev:alice.").message == "The bearer token is not valid. Use dev:alice."
    assert (InvalidToken().subject, InvalidToken().client_id) == (None, None)


def test_a_scope_that_is_lacking_is_named() -> None:
    problem = InsufficientScope("read:audit")
    assert (problem.scope, problem.message) == ("read:audit", "The bearer token lacks the scope read:audit.")
    assert problem.extensions == {"code": "INSUFFICIENT_SCOPE"}
