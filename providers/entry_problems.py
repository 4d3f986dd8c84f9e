"""Describes what is wrong with a catalogue entry, in place of the validation library's messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic_core import ErrorDetails

from providers.nearest_key import unknown_key
from providers.provider import DOTTED_PATH, HEADER_NAME, SCOPE, SLUG, Provider

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

# Where pydantic puts its own names between ours: `[key]`, `literal['…']`.
_INTERNAL: Final = ("[", "'")


def described(error: ErrorDetails, table: tuple[str, ...]) -> str:
    """Such as `token.auth: must be one of …`. `table` is where the checked part is in the file."""
    parts = [str(part) for part in (*table, *error["loc"])]
    key = ".".join(part for part in parts if not any(mark in part for mark in _INTERNAL))
    if error["type"] == "extra_forbidden":
        return f"{key}: is not a key of this format: {unknown_key(Provider, error['loc'])}"
    words = _WORDS.get(error["type"], lambda _: "is not valid: docs/catalogue.md describes the format")
    return f"{key}: {words(error.get('ctx', {}))}"
