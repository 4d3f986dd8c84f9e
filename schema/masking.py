"""What leaves of an error: our own problems as they are, client mistakes without the input they quote, and a fixed
sentence for everything else, whose detail goes to the log only."""

from __future__ import annotations

import re
from typing import Any

import structlog
from graphql import GraphQLError

from resolvers.errors import InternalError, Problem, ServiceUnavailable, ValidationError
from resolvers.failures import described, outage

log = structlog.get_logger("tendon")

# Where graphql-core begins to quote what it was given.
_QUOTES = re.compile(r",? (?:but encountered error|and found|found):? .*| value: .*", re.DOTALL)
# After a suggestion it begins anew.
_FOUND = re.compile(r"(?<=\?) Found: .*", re.DOTALL)
# A token stands as it was sent, quotes and all, so only the last quote can be its end. What was expected is our own.
_LITERAL = re.compile(r"(?<!Expected) '.*'", re.DOTALL)
_SUGGESTION = re.compile(r" Did you mean .*", re.DOTALL)


def problem_of(error: GraphQLError, *, suggest: bool) -> Problem:
    """The problem to show for an error of the executor, logged on the way."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if cause is None:
        return ValidationError(without_input(error.message, suggest=suggest))
    if isinstance(cause, Problem):
        return cause
    return unexpected(cause, error.path)


def without_input(message: str, *, suggest: bool) -> str:
    """graphql-core's message, without the values and literals that it quotes. Names of fields and types stay."""
    if not suggest:
        message = _SUGGESTION.sub("", message)
    if message.startswith("Syntax Error"):
        return _LITERAL.sub("", message)
    return _QUOTES.sub(".", _FOUND.sub("", message))


def unexpected(cause: BaseException, path: list[Any] | None = None) -> Problem:
    """The problem to show for an unexpected exception, which is logged here."""
    if reason := outage(cause):
        log.error("database.down", error=reason)
        return ServiceUnavailable()
    log.error("fault", path=path, **described(cause))
    return InternalError()
