"""How the JSON in a provider's answer is read: only the members that are used have to be well-formed."""

from __future__ import annotations

from typing import Final, cast

from wire import strict_json
from wire.strict_json import DUPLICATE, Malformed

MAX_ACCOUNT: Final = 256
"""Characters of a provider's own user id."""

# Every whole number up to this has a float of its own; above it, several share one.
_EXACT: Final = 2**53


class UnfitError(Exception):
    """Something in an answer is not as it must be. The text is fixed and never quotes the answer."""


class DuplicateError(UnfitError):
    """A member occurs twice, so that readers may disagree about its value."""


def read_object(content: bytes) -> dict[str, object]:
    """The JSON object in `content`. Its members are checked when they are read with `member_at`. Raises UnfitError."""
    try:
        value = strict_json.read_answer(content)
    except strict_json.MalformedJSON as malformed:
        problem = f"the body {malformed}"
    else:
        if isinstance(value, dict):
            return cast("dict[str, object]", value)
        problem = "the body is not a JSON object"
    # Raised out here, it doesn't refer to the reader's error, which holds the body.
    raise UnfitError(problem)


def object_or_none(value: object) -> dict[str, object] | None:
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def list_or_none(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


def member_at(whole: dict[str, object], path: str) -> object:
    """The value at a dotted path, in which a whole number is an index into a list, from 0; None if it is null or
    absent. Raises UnfitError if a step is neither an object nor a list, is duplicated or is malformed."""
    value: object = whole
    for name in path.split("."):
        if isinstance(value, list) and name.isdecimal():
            items = cast("list[object]", value)
            value = items[int(name)] if int(name) < len(items) else None
        elif isinstance(value, dict):
            value = _member(cast("dict[str, object]", value), name)
        elif value is None:
            return None
        else:
            raise UnfitError("a step in the path to a member is not an object")
    return value


def says_error(whole: dict[str, object]) -> bool:
    """Whether a success contains an error, which takes precedence over its other members. An empty value, 0 and false
    count as null. Raises UnfitError."""
    return bool(_member(whole, "error")) or bool(_member(whole, "errors"))


def account_at(whole: dict[str, object], path: str) -> str | None:
    """A provider's own user id, a string or a whole number; None if there is nothing that can be one, as tokens are
    worth more than the id. Raises UnfitError if the id, or a step in the path to it, is duplicated."""
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


def _member(whole: dict[str, object], name: str) -> object:
    """None if it is null or absent. Raises UnfitError if it is duplicated or malformed."""
    value = whole.get(name)
    if value is DUPLICATE:
        raise DuplicateError("a member has a duplicate key")
    if isinstance(value, Malformed):
        problem = f"a member {value.problem}"
        raise UnfitError(problem)
    return value
