"""What authors read about a mistake: the key, what it must be, the nearest known name, and where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.catalogue import CatalogueError, read_entry
from tests.providers.entries import minimal

ROWS = """\
[[token.errors]]
status = 400
meaning = "passing"

[[token.errors]]
{}
"""


def said(folder: Path, text: str) -> list[str]:
    """What is wrong with the smallest entry and these lines, which begin on line 10."""
    file = folder / "acme.toml"
    file.write_text(f"{minimal('acme')}\n{text}", encoding="utf-8")
    with pytest.raises(CatalogueError) as raised:
        read_entry(file, variables={})
    return [problem.removeprefix("acme.toml: ") for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # Lists of tables, by row
        (
            ROWS.format('status = 500\nmeaning = "passing"\nwaits = "a"'),
            "token.errors.1.waits: is not a key of this format: did you mean wait? (row 2, line 17)",
        ),
        (
            ROWS.format('meaning = "passing"'),
            "token.errors.1.field: is missing: a rule needs status, field or both (row 2, line 14)",
        ),
        (
            ROWS.format('status = 500\nmeaning = "slowdown"'),
            "token.errors.1.meaning: must be one of 'grant_over', 'misconfigured', 'slow_down' or 'passing': "
            "did you mean 'slow_down'? (row 2, line 16)",
        ),
        (
            ROWS.format('status = "500"\nmeaning = "passing"'),
            "token.errors.1.status: must be a whole number, and is a string (row 2, line 15)",
        ),
        (
            '[[sources]]\nfacts = "x"\nurl = "https://acme.example"\nseen = "2026-11-30"\nsure = "documented"',
            "sources.0.seen: must be a date, such as 2026-12-31, without quotes, and is a string (row 1, line 13)",
        ),
        # Tables with ids
        (
            '[sites.eu]\nname = "Europe"\nofered = false',
            "sites.eu.ofered: is not a key of this format: did you mean offered? (line 12)",
        ),
        ("[sites.eu]\nname = 7", "sites.eu.name: must be a string, and is a whole number (line 11)"),
        (
            "[scopes]\nsleep = true",
            "scopes.sleep: must be a string, and is a boolean (line 11)",
        ),
        # Tables that have no keys of their own, and keys that belong elsewhere
        (
            "[token.success]\nfield = 'a'\nequals = 1\nmeaning = 'x'",
            "token.success.meaning: is not a key of this format: it belongs in [[token.errors]] or in "
            "[[revoke.errors]] (line 13)",
        ),
        (
            "[revoke]\nurl = 'https://acme.example'\nauth = 'bearer'\nscope_separater = ','",
            "revoke.scope_separater: is not a key of this format: did you mean scope_separator in [authorize]? "
            "(line 13)",
        ),
        (
            "[registration]\noffered = false",
            "registration.offered: is not a key of this format: it belongs in [sites.<id>] (line 11)",
        ),
        # Types
        (
            "[authorize.params]\na = 1.5",
            "authorize.params.a: must be a string, and is a number with a fraction (line 11)",
        ),
        (
            "revoke = 2026-11-30",
            "token.revoke: is not a key of this format: it belongs at the top of the file, above all tables (line 10)",
        ),
        ("account = []", "token.account: must be a string, and is a list (line 10)"),
        ("refresh_ahead = 'true'", "token.refresh_ahead: must be true or false, and is a string (line 10)"),
        (
            "refresh = 'rotates'",
            "token.refresh: must be one of 'rotating', 'reusable', 'extending' or 'none': did you mean 'rotating'? "
            "(line 10)",
        ),
    ],
)
def test_a_mistake(tmp_path: Path, text: str, problem: str) -> None:
    assert said(tmp_path, text) == [problem]


def test_a_key_that_is_missing_from_the_top_has_no_line(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text('slug = "acme"\n[token]\n', encoding="utf-8")
    with pytest.raises(CatalogueError) as raised:
        read_entry(tmp_path / "acme.toml", variables={})
    assert raised.value.problems == (
        "acme.toml: name: is missing: The name that users know.",
        "acme.toml: docs: is missing: The page where the vendor documents OAuth.",
        "acme.toml: authorize: is missing: The authorization endpoint, to which users are sent.",
        "acme.toml: token.url: is missing: The token endpoint (RFC 6749 3.2). (line 2)",
    )
