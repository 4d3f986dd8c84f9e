"""Describes what is wrong with a catalogue entry, in place of pydantic's messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from providers.entry_table import DOTTED_PATH
from providers.error_rule import HEADER_NAME
from providers.provider import SCOPE, SLUG, Provider

VARIABLE_NAME: Final = r"^[a-z][a-z0-9_]{0,62}$"

_FORMS: Final[Mapping[str, str]] = {
    SLUG: "must be 1 to 63 lower-case letters, digits, `_` and `-`, and begin with a letter or digit",
    SCOPE: "must be printable ASCII characters without a space",
    DOTTED_PATH: "must be names separated by dots, such as user.id",
    HEADER_NAME: "must be the name of a header field, such as Retry-After",
    VARIABLE_NAME: "must be named with 1 to 63 lower-case letters, digits and `_`, and begin with a letter",
}

_Context = Mapping[str, Any]

_WORDS: Final[Mapping[str, Callable[[_Context], str]]] = {
    "missing": lambda _: "is missing",
    "literal_error": lambda context: f"must be one of {context['expected']}",
    "string_pattern_mismatch": lambda context: _FORMS[context["pattern"]],
    "string_too_short": lambda _: "must not be empty",
    "string_too_long": lambda context: f"must have {context['max_length']} characters at most",
    "greater_than_equal": lambda context: f"must be at least {context['ge']}",
    "less_than_equal": lambda context: f"must be at most {context['le']}",
    "value_error": lambda context: str(context["error"]),
    "string_type": lambda _: "must be a string",
    "bool_type": lambda _: "must be true or false",
    "int_type": lambda _: "must be a whole number",
    "tuple_type": lambda _: "must be a list",
    **dict.fromkeys(("model_type", "dict_type", "mapping_type"), lambda _: "must be a table"),
}

# In the names that pydantic adds to the path, such as `[key]` and `literal['…']`.
_INTERNAL: Final = ("[", "'")


def described(error: ErrorDetails, table: tuple[str, ...]) -> str:
    """A line such as `token.auth: must be one of …`. `table` is the path in the file of what was validated."""
    parts = [str(part) for part in (*table, *error["loc"])]
    key = ".".join(part for part in parts if not any(mark in part for mark in _INTERNAL))
    if error["type"] == "extra_forbidden":
        return f"{key}: is not a key of this format: {_suggestion(error['loc'])}"
    words = _WORDS.get(error["type"], lambda _: "is not valid: docs/catalogue.md describes the format")
    return f"{key}: {words(error.get('ctx', {}))}"


def _suggestion(location: tuple[int | str, ...]) -> str:
    """What to write instead of the unknown key at `location` in an entry."""
    tables = dict(_tables(Provider))
    # It is read before the rest, so the model doesn't have it.
    tables[()].append("variables")
    path = tuple(part for part in location[:-1] if isinstance(part, str))
    name, own = str(location[-1]), tables.get(path, [])
    if nearest := get_close_matches(name.lower(), own, n=1):
        return f"did you mean {nearest[0]}?"
    elsewhere = [table for table, keys in tables.items() if name in keys]
    if elsewhere:
        return f"it belongs {' or '.join(_written(table) for table in elsewhere)}"
    return f"the keys here are {', '.join(own)}"


def _written(table: tuple[str, ...]) -> str:
    return f"in [{'.'.join(table)}]" if table else "at the top of the file, above all tables"


def _tables(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """The keys of each table of the format, by the table's path."""
    yield path, list(model.model_fields)
    for name, field in model.model_fields.items():
        for inner in _models(field.annotation):
            yield from _tables(inner, (*path, name))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
