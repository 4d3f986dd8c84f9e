"""Adapters: which there are, and what each can do."""

from __future__ import annotations

import pytest

from providers.adapters import FOLDER, adapters_with, load

TABLES = ("revoke", "after_exchange")


@pytest.mark.parametrize("name", [path.stem for path in FOLDER.glob("*.py") if not path.name.startswith("_")])
def test_an_adapter_has_the_function_of_a_table(name: str) -> None:
    assert any(name in adapters_with(function) for function in TABLES)
    assert load(name).__doc__


def test_what_is_not_an_adapter_has_no_function() -> None:
    assert adapters_with("no_such_function") == ()
