"""What callers see of an error: our own problems unchanged, client mistakes without the input that they quote, and a
fixed sentence for everything else, whose detail is only logged."""

from __future__ import annotations

import re
from typing import Any

import structlog
from graphql import GraphQLError

from resolvers.errors import InternalError, Problem, ServiceUnavailable, ValidationError
from resolvers.exception_details import database_outage, exception_details

log = structlog.get_logger("tendon")

# The part of graphql-core's messages that quotes the value.
_QUOTES = re.compile(r",? (?:but encountered error|and found|found):? .*| value: .*", re.DOTALL)
# The same after a suggestion.
_FOUND = re.compile(r"(?<=\?) Found: .*", re.DOTALL)
# A token is quoted as it was sent and may contain quotes, so it ends at the last one. What was expected is not input.
_LITERAL = re.compile(r"(?<!Expected) '.*'", re.DOTALL)
_SUGGESTION = re.compile(r" Did you mean .*", re.DOTALL)
# About a value that we return, so the client made no mistake. Those about input have "non-enum" or "non-string".
_NO_MEMBER = re.compile(r"Enum '\w+' cannot represent value: ")


def problem_of(error: GraphQLError, *, suggest: bool) -> Problem:
    """The problem to show for an error of the executor. Unexpected exceptions are logged."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if cause is None and _NO_MEMBER.match(error.message):
        return unexpected(error, error.path)
    if cause is None:
        return ValidationError(without_input(error.message, suggest=suggest))
    if isinstance(cause, Problem):
        return cause
    return unexpected(cause, error.path)


def without_input(message: str, *, suggest: bool) -> str:
    """graphql-core's message without the values and literals that it quotes. Names of fields and types stay."""
    if not suggest:
        message = _SUGGESTION.sub("", message)
    if message.startswith("Syntax Error"):
        return _LITERAL.sub("", message)
    return _QUOTES.sub(".", _FOUND.sub("", message))


def unexpected(cause: BaseException, path: list[Any] | None = None) -> Problem:
    """Logs an unexpected exception. Returns the problem to show for it."""
    if reason := database_outage(cause):
        log.error("database.down", error=reason)
        return ServiceUnavailable()
    log.error("fault", path=path, **exception_details(cause))
    return InternalError()
