"""What the entries of some providers can't express, one module for each: an adapter, which an entry names.

An adapter has the function of the table that names it. All of them raise RequestFailed.

    [revoke]          async def revoke(client, rule, credentials, tokens, *, deadline, latest) -> RevocationOutcome
                      `providers/revocation.py` has its type, and calls it.
    [after_exchange]  async def after_exchange(client, rule, access_token, user, *, deadline, latest) -> None
                      `user` is an id of the user that the provider may see: a pseudonym. `providers/after_exchange.py`
                      calls it, once for each exchange, so it must do no harm if it was done before.

`rule` is the table, whose `url` the adapter sends its requests to. Modules that begin with `_` are no adapters.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

FOLDER: Final = Path(__file__).parent


def load(name: str) -> ModuleType:
    """The adapter of this name, which must be one of those that `adapters_with` found."""
    return import_module(f"{__name__}.{name}")


@cache
def adapters_with(function: str) -> tuple[str, ...]:
    """The names of the adapters that have this function."""
    names = sorted(file.stem for file in FOLDER.glob("*.py") if not file.stem.startswith("_"))
    return tuple(name for name in names if hasattr(load(name), function))
