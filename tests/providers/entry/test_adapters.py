"""The names of adapters in entries."""

from __future__ import annotations

import pytest

from providers.adapters import adapters_with
from providers.entry.adapters import adapter_with
from wire.tables import Invalid


@pytest.mark.parametrize("function", ["revoke", "after_exchange"])
def test_an_adapter_must_have_the_function_of_the_table(function: str) -> None:
    read, known = adapter_with(function), adapters_with(function)
    assert known
    for name in known:
        assert read(name) == name
    for name in ["", "_", "__init__", "os", f"{known[0]}.py", f"../{known[0]}", known[0].upper()]:
        with pytest.raises(Invalid, match="must be the name of an adapter in providers/adapters"):
            read(name)


def test_an_adapter_of_another_table_is_refused() -> None:
    with pytest.raises(Invalid):
        adapter_with("revoke")("polar")
    with pytest.raises(Invalid):
        adapter_with("after_exchange")("withings")
