"""The mutants in harmless.toml, which change nothing that a caller or an operator could see, each with its reason."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

from tests.mutants.mutant import Key

FILE: Final = Path(__file__).with_name("harmless.toml")


def read(file: Path = FILE) -> dict[Key, str]:
    """The reason for each."""
    entries = tomllib.loads(file.read_text(encoding="utf-8")).get("harmless", [])
    found: dict[Key, str] = {}
    for entry in entries:
        texts = (" ".join(entry[name].split()) for name in ("original", "replaced"))
        found[Key(entry["module"], entry["function"], *texts)] = entry["reason"]
    return found
