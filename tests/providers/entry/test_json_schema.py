"""The schema for editors: it is up to date, describes every key, and agrees with the reader of entries."""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.catalogue import BUILT_IN, _secrets
from providers.entry.descriptions import FILE
from providers.entry.json_schema import entry_schema
from providers.entry.layout import VARIABLES, readers_of, tables
from providers.entry.provider import Provider
from providers.entry.reader import schema_of
from providers.entry.urls import EntryContext
from tests.providers.entries import minimal
from wire.tables import Invalid, Problems, read_table

DOCS = Path(__file__).parents[3] / "docs"
SCHEMA = DOCS / "catalogue.schema.json"
VALIDATOR = jsonschema_rs.Draft202012Validator(entry_schema())

Path_ = tuple[str | int, ...]


def as_json(entry: object) -> Any:
    """Editors see dates as strings."""
    return json.loads(json.dumps(entry, default=str))


def faults(entry: object) -> list[str]:
    """What the schema says against it."""
    return [error.message for error in VALIDATOR.iter_errors(as_json(entry))]


def test_the_committed_schema_is_up_to_date() -> None:
    assert json.loads(SCHEMA.read_text("utf-8")) == entry_schema(), "run `make schema`"


def test_it_is_a_json_schema() -> None:
    jsonschema_rs.meta.validate(entry_schema())


def test_every_key_is_described_and_no_other() -> None:
    described = tomllib.loads(FILE.read_text("utf-8"))
    keys = {kind.__name__: set(readers_of(kind)) for _, kind in tables()}
    assert {name: set(sentences) for name, sentences in described.items()} == keys
    for sentences in described.values():
        assert all(re.fullmatch(r"[A-Z`].*\.", sentence) for sentence in sentences.values())


@pytest.mark.parametrize("file", sorted(BUILT_IN.glob("*.toml")), ids=lambda file: file.stem)
def test_every_built_in_entry_fits(file: Path) -> None:
    assert faults(tomllib.loads(file.read_text("utf-8"))) == []


def examples() -> list[str]:
    """The TOML of the docs. What is not a whole entry goes into the smallest."""
    pages = "\n".join(page.read_text("utf-8") for page in sorted(DOCS.glob("*.md")))
    texts = re.findall(r"^```toml\n(.*?)^```", pages, re.DOTALL | re.MULTILINE)
    return [text if re.search(r"^slug =", text, re.MULTILINE) else minimal("acme") + text for text in texts]


def test_every_example_in_the_docs_fits() -> None:
    assert len(examples()) >= 2
    for text in examples():
        assert faults(tomllib.loads(text)) == []


# The reader and the schema


def rich() -> dict[str, Any]:
    """The documented example, with the rest of the keys."""
    (text,) = (text for text in examples() if "[[sources]]" in text)
    entry = tomllib.loads(text)
    entry["webhooks"] = {"signature": "hmac_sha256", "header": "X-Signature", "encoding": "hex", "key": "client_secret"}
    entry["webhooks"] |= {"signed": "body", "timestamp": "X-Time", "challenge": "A GET.", "account": "user_id"}
    entry["api"]["paging"] = {"style": "cursor", "parameter": "next", "next": "next", "size": "limit", "most": 25}
    entry["api"]["paging"]["days"] = 30
    entry["api"]["limits"] = [{"requests": 10, "seconds": 60, "per": "user", "reset": "X-Reset"}]
    return entry


# What depends on other values, on files, or on more of the syntax of URIs than a pattern can say; and dates, which are
# strings for editors.
NOT_IN_THE_SCHEMA = (
    "must be the name of the file|can't (go|be combined) with|needs|is only for|is missing|uses {|must have a sentence"
    "|must not have the separator|in the host|is not in \\[variables\\]|must have a host name|an http or https URL"
    "|must be the name of an adapter|has .* twice"
    "|must be a date|and is a date|and is a time"
)


def refusals(entry: dict[str, Any]) -> list[str]:
    """What the reader says against it."""
    table = dict(entry)
    try:
        variables = readers_of(Provider)[VARIABLES](table.pop(VARIABLES, {}), None)
        context = EntryContext("acme", variables, allow_private=True, secrets=_secrets(table))
        read_table(Provider, table, context)
    except Problems as found:
        return [problem.message for problem in found.problems]
    except Invalid as found:
        return [str(found)]
    return []


def paths(value: object, path: Path_ = ()) -> Iterator[Path_]:
    if path:
        yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from paths(part, (*path, key))


def changed(whole: Any, path: Path_, value: object) -> Any:
    """A copy with another value at the path, or without it if the value is `...`."""
    first, *rest = path
    inner = changed(whole[first], tuple(rest), value) if rest else value
    if isinstance(whole, dict):
        others = {key: each for key, each in whole.items() if key != first}
        return others if inner is ... else {**others, first: inner}
    items = [inner if position == first else each for position, each in enumerate(whole)]
    return [each for each in items if each is not ...]


RICH = rich()
RICH_JSON = as_json(RICH)
PATHS = list(paths(RICH))
VALUES: list[object] = [
    ...,
    *(True, 0, 1, -1, 401, 10**10, 1.5),
    *("", "x", "a b", "a.b", "ü", "x" * 2000, "S256", "POST", "{account}", "{region}"),
    *("https://a.example/?q#f", "https://a.example/#/f", "http://{region}.example", "ftp://a.example", "https://a/ x"),
    *([], ["a b"], [1], [{}], {}, {"x": "y"}, {"x": 1}, {"a b": "c"}),
    *({"Authorization": "x"}, {"client_secret": "x"}, {"equals": 1, "field": "a"}),
    *(dt.date(2026, 1, 1), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
]


def agree(path: Path_, value: object) -> None:
    """Fails unless both judge the example alike, with this value at the path."""
    refused = refusals(changed(RICH, path, value))
    is_valid = VALIDATOR.is_valid(changed(RICH_JSON, path, value if value is ... else as_json(value)))
    if refused == []:
        assert is_valid, "the reader accepts it"
    if is_valid:
        assert [why for why in refused if not re.search(NOT_IN_THE_SCHEMA, why)] == [], "the schema accepts it"


def test_the_documented_example_is_valid() -> None:
    assert (refusals(RICH), faults(RICH)) == ([], [])


@pytest.mark.parametrize("key", [path for path in PATHS if len(path) == 1], ids=lambda path: path[0])
def test_both_judge_a_change_of_one_key_alike(key: Path_) -> None:
    for path in (path for path in PATHS if path[:1] == key):
        for value in VALUES:
            agree(path, value)


def test_both_refuse_keys_that_are_not_there() -> None:
    for path in PATHS:
        if isinstance(path[-1], str):
            agree((*path[:-1], f"{path[-1]}z"), 1)


URLS = st.from_regex(r"(https?://|\{region\})[!-~]{0,20}", fullmatch=True)
OTHERS = st.text(max_size=40) | URLS | st.integers() | st.lists(st.text(max_size=3))


@settings(max_examples=200)
@given(st.sampled_from(PATHS), OTHERS)
def test_both_judge_any_value_alike(path: Path_, value: object) -> None:
    agree(path, value)


def test_a_reader_without_a_schema_is_noticed() -> None:
    with pytest.raises(TypeError, match="has no schema"):
        schema_of(lambda value, _context: value)
