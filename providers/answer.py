"""What came back from a provider, and how the JSON in it is read."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, cast

from wire import strict_json
from wire.http.errors import UnreadableResponse
from wire.http.response import Response
from wire.strict_json import DUPLICATE, Malformed

MAX_ACCOUNT: Final = 256
"""Characters of a provider's own user id."""

# Whole numbers up to it are the same as floats; above it several are one float.
_EXACT: Final = 2**53


class UnfitError(Exception):
    """Something in an answer isn't as it must be. The text is fixed and never quotes the answer."""


class DuplicateError(UnfitError):
    """A member is there twice, so that readers may disagree on it."""


@contextmanager
def reading(answer: Response) -> Generator[None]:
    """Turns UnfitError into UnreadableResponse with the answer's status, and refuses what is no success."""
    if not answer.succeeded:
        raise UnreadableResponse("neither a success nor an error", answer.status)
    try:
        yield
    except UnfitError as unfit:
        raise UnreadableResponse(str(unfit), answer.status) from None


def read_object(content: bytes) -> dict[str, object]:
    """The JSON object in `content`. Only the members that are used have to be well-formed: see `member_at`. Raises
    UnfitError."""
    try:
        value = strict_json.read_answer(content)
    except strict_json.MalformedJSON as malformed:
        problem = f"the body {malformed}"
    else:
        return as_object(value, "the body is not a JSON object")
    # Out here the error has no memory of the reader's, which holds the body.
    raise UnfitError(problem)


def as_object(value: object, problem: str) -> dict[str, object]:
    found = object_or_none(value)
    if found is None:
        raise UnfitError(problem)
    return found


def object_or_none(value: object) -> dict[str, object] | None:
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def list_or_none(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


def member(whole: dict[str, object], name: str) -> object:
    """None when it is null or absent. Raises UnfitError when it is duplicated or malformed."""
    value = whole.get(name)
    if value is DUPLICATE:
        raise DuplicateError("a member has a duplicate key")
    if isinstance(value, Malformed):
        problem = f"a member {value.problem}"
        raise UnfitError(problem)
    return value


def member_at(whole: dict[str, object], path: str) -> object:
    """The value at a dotted path, in which a whole number is an index into a list, from 0; None when it is null or
    absent. Raises UnfitError when a step is neither an object nor a list, or is duplicated."""
    value: object = whole
    for name in path.split("."):
        if value is None:
            return None
        items = list_or_none(value)
        if items is None or not name.isdecimal():
            value = member(as_object(value, "a step in the path to a member is not an object"), name)
        else:
            value = items[int(name)] if int(name) < len(items) else None
    return value


def account_at(whole: dict[str, object], path: str) -> str | None:
    """A provider's own user id, a string or a whole number; None where there is nothing that can be one, since tokens
    are worth more than it. Raises UnfitError when it is there twice, or a step on the way to it is."""
    try:
        value = member_at(whole, path)
    except DuplicateError:
        raise
    except UnfitError:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)
    return text if 0 < len(text) <= MAX_ACCOUNT and text.isprintable() else None
