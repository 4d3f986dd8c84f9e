from __future__ import annotations

import pytest

from providers.entry.about import Site
from providers.entry.error_rule import ErrorRule, Success
from providers.entry.layout import Path, has_ids, is_list, table_at, tables
from providers.entry.provider import Provider
from wire.tables import Table


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ((), Provider),
        (("token", "success"), Success),
        (("token", "errors", 3), ErrorRule),
        (("sites", "eu"), Site),
        (("token", "errors"), None),
        (("sites",), None),
        (("token", "params"), None),
        (("token", "params", "a"), None),
        (("token", "url"), None),
        (("nothing", "here"), None),
    ],
)
def test_the_table_at_a_path(path: Path, kind: type[Table] | None) -> None:
    assert table_at(path) is kind


def test_all_tables() -> None:
    found = dict(tables())
    assert found[()] is Provider
    assert found["revoke", "errors"] is ErrorRule
    assert [path for path in found if is_list(path)] == [
        ("token", "errors"),
        ("api", "limits"),
        ("revoke", "errors"),
        ("sources",),
    ]
    assert [path for path in found if has_ids(path)] == [("sites",)]
