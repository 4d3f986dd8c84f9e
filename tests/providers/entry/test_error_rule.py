"""Rows that say what answers mean, and how a success is to be seen."""

from __future__ import annotations

import pytest

from tests.providers.entry.reading import problems, read, rule, token


@pytest.mark.parametrize(
    "fields",
    [
        "status = 200, meaning = 'passing'",
        "status = 599, meaning = 'grant_over'",
        "field = 'a', meaning = 'passing'",
        "field = 'a', equals = [0, '', false], meaning = 'misconfigured'",
        "field = 'a', equals = true, meaning = 'misconfigured'",
        "status = 400, field = 'a', equals = 'b', meaning = 'grant_over'",
        "field = 'a', starts_with = 'x', meaning = 'slow_down', wait = 'b.c'",
        "status = 429, meaning = 'passing', wait_header = 'X-Wait-2'",
    ],
)
def test_rows_that_are_accepted(fields: str) -> None:
    assert read(rule(fields)).token.errors


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("status = 199, meaning = 'passing'", "status: must be at least 200"),
        ("status = 600, meaning = 'passing'", "status: must be at most 599"),
        ("status = '400', meaning = 'passing'", "status: must be a whole number"),
        ("status = 400", "meaning: is missing"),
        ("status = 400, meaning = 'over'", "meaning: must be one of "),
        ("status = 400, meaning = 'over', wait = 'a'", "meaning: must be one of "),
        ("meaning = 'passing'", "field: is missing: a rule needs status, field or both"),
        ("field = '.', meaning = 'passing'", "field: must be names separated by dots"),
        ("field = '.', equals = 1, meaning = 'passing'", "field: must be names separated by dots"),
        ("field = 'a', equals = [], meaning = 'passing'", "equals: must not be an empty list"),
        ("field = 'a', equals = [], starts_with = 'b', meaning = 'passing'", "equals: must not be an empty list"),
        ("field = 'a', equals = 1.5, meaning = 'passing'", "equals: must be a string, a whole number or a boolean"),
        ("field = 'a', equals = [[1]], meaning = 'passing'", "equals: must be a string, a whole number or a boolean"),
        ("field = 'a', starts_with = '', meaning = 'passing'", "starts_with: must not be empty"),
        (
            "field = 'a', starts_with = 'b', equals = 1, meaning = 'passing'",
            "starts_with: can't be combined with equals",
        ),
        ("status = 400, starts_with = 'a', meaning = 'passing'", "starts_with: needs field"),
        ("status = 400, equals = 'a', meaning = 'passing'", "equals: needs field"),
        *(
            (f"field = 'a', meaning = '{meaning}', {key} = 'a'", f"{key}: is only for slow_down and passing")
            for meaning in ("misconfigured", "grant_over")
            for key in ("wait", "wait_header")
        ),
        (
            "field = 'a', meaning = 'passing', wait = 'a', wait_header = 'b'",
            "wait_header: can't be combined with wait",
        ),
        ("field = 'a', meaning = 'passing', wait = '.', wait_header = 'b'", "wait: must be names separated by dots"),
        ("status = 429, meaning = 'passing', wait_header = 'a b'", "wait_header: must be the name of a header field"),
    ],
)
def test_rows_that_are_refused(fields: str, problem: str) -> None:
    """One mistake is one problem: a key that depends on an invalid one is not at fault."""
    (found,) = problems(rule(fields))
    assert found.startswith(f"token.errors.0.{problem}")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("equals = 0", "field: is missing"),
        ("field = 'a'", "equals: is missing"),
        ("field = 'a', absent = false", "equals: is missing"),
        ("field = 'a', equals = 0, absent = true", "equals: can't be combined with absent = true"),
        ("field = 'a', absent = 'yes'", "absent: must be true or false"),
        ("field = 'a', equals = []", "equals: must be a string, a whole number or a boolean"),
        ("field = '', equals = 0", "field: must be names separated by dots"),
    ],
)
def test_what_is_no_mark_of_a_success(fields: str, problem: str) -> None:
    (found,) = problems(token(f"success = {{{fields}}}"))
    assert found.startswith(f"token.success.{problem}")
