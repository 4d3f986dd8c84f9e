"""Keeps the process from loading pickles.

The engine can read pickles, which run code: a row of its tables says how its values are encoded, whatever the encoding
that Tendon chose. Without this, whoever can write to the engine's tables could run code in the worker, which has the
vault keys.
"""

from __future__ import annotations

import sys


class PickleRefused(Exception):
    """Something tried to load a pickle."""


def refuse_pickles() -> None:
    """From now on, loading a pickle that names any class or function raises PickleRefused. It can't be undone."""
    sys.addaudithook(_refuse)


def _refuse(event: str, _arguments: tuple[object, ...]) -> None:
    if event == "pickle.find_class":
        raise PickleRefused("Tendon loads no pickles")
