"""The names of adapters: the files in `providers/adapters/`, for what data can't express."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from providers.entry.values import read_text
from wire.tables import Invalid

_FOLDER: Final = Path(__file__).parent.with_name("adapters")


def _read_adapter(value: object, _context: object) -> str:
    name = read_text(value)
    known = sorted(file.stem for file in _FOLDER.glob("*.py") if not file.stem.startswith("_"))
    if name not in known:
        raise Invalid(f"must be the name of a file in providers/adapters, without .py: {', '.join(known)}")
    return name


AdapterName = Annotated[str, _read_adapter]
