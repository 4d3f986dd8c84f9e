"""What came back from a provider, and how the JSON in it is read."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, cast

from providers.errors import UnreadableAnswer
from wire import strict_json

MAX_ACCOUNT: Final = 256
"""Characters of a provider's own user id."""

_SUCCESS: Final = range(200, 300)
_FAILURE: Final = range(400, 600)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer whole, its body decoded. What it calls itself is not looked at: it is JSON or unreadable.

    `sent_at` is when its request began to leave, a time of the running loop.
    """

    status: int
    content: bytes = field(repr=False)
    sent_at: float = field(default=0.0, compare=False)

    @property
    def succeeded(self) -> bool:
        return self.status in _SUCCESS

    @property
    def failed(self) -> bool:
        """4xx or 5xx. A redirect, which is never followed, neither succeeded nor failed."""
        return self.status in _FAILURE


class UnfitError(Exception):
    """Something in an answer isn't as it must be. The text is fixed and never quotes the answer."""


@contextmanager
def reading(answer: Answer) -> Generator[None]:
    """Turns UnfitError into UnreadableAnswer with the answer's status, and refuses what is no success."""
    if not answer.succeeded:
        raise UnreadableAnswer("neither a success nor an error", answer.status)
    try:
        yield
    except UnfitError as unfit:
        raise UnreadableAnswer(str(unfit), answer.status) from None


def read_object(content: bytes) -> dict[str, object]:
    """The JSON object in `content`, read strictly. Raises UnfitError."""
    try:
        value = strict_json.read(content)
    except strict_json.MalformedJSON as malformed:
        problem = f"the body {malformed}"
    else:
        return as_object(value, "the body is not a JSON object")
    # Out here the error has no memory of the reader's, which holds the body.
    raise UnfitError(problem)


def as_object(value: object, problem: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise UnfitError(problem)
    return cast("dict[str, object]", value)


def member_at(whole: dict[str, object], path: str) -> object:
    """What stands at a dotted path; None when it is null or absent. Raises UnfitError when a step isn't an object."""
    value: object = whole
    for name in path.split("."):
        if value is None:
            return None
        value = as_object(value, "a step on the way to a member is not an object").get(name)
    return value


def read_account(value: object) -> str | None:
    """A provider's own user id, a string or a whole number. None stays None. Raises UnfitError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UnfitError("the account id is neither a string nor a whole number")
    text = str(value)
    if not 0 < len(text) <= MAX_ACCOUNT or not text.isprintable():
        raise UnfitError("the account id is empty, too long or not printable")
    return text
