"""The names of adapters: the files in `providers/adapters/`, for what data can't express."""

from __future__ import annotations

from typing import Final

from providers.adapters import adapters_with
from providers.entry.reader import Reader, accepts
from providers.entry.values import read_text
from wire.tables import Invalid


def adapter_with(function: str) -> Reader[str]:
    """The name of an adapter that has this function."""

    @accepts({"type": "string", "pattern": "^[a-z][a-z0-9_]*$"})
    def read(value: object, _context: object) -> str:
        name = read_text(value)
        known = adapters_with(function)
        if name not in known:
            raise Invalid(f"must be the name of an adapter in providers/adapters: {' or '.join(known)}")
        return name

    return read


read_revocation_adapter: Final = adapter_with("revoke")
read_after_exchange_adapter: Final = adapter_with("after_exchange")
