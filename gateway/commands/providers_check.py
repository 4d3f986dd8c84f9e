"""`tendon providers check`: says what is wrong, and what is suspicious, about catalogue files, wherever they are."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.output import print_result
from gateway.provider_list import all_of, missing_settings
from gateway.settings import CatalogueSettings, read_catalogue_settings, read_environment
from providers.catalogue import CatalogueError, read_entry
from providers.entry.doubts import doubts

_INVALID: Final = 1


def run(files: list[Path]) -> None:
    """Exits with status 1 if something is wrong with any of the files."""
    settings, environment = read_catalogue_settings(), read_environment()
    are_valid = [_check(file, settings, environment) for file in files]
    if not all(are_valid):
        sys.exit(_INVALID)


def _check(file: Path, settings: CatalogueSettings, environment: Mapping[str, str]) -> bool:
    try:
        entry = read_entry(file, variables=environment, allow_private=settings.private_providers)
    except CatalogueError as fault:
        print(fault, file=sys.stderr)  # noqa: T201 - for the terminal
        return False
    for doubt in doubts(entry, dt.datetime.now(dt.UTC).date()):
        print(f"{file.name}: warning: {doubt}", file=sys.stderr)  # noqa: T201 - for the terminal
    missing = missing_settings(entry, settings, environment)
    print_result(f"{file.name}: valid" + (f"; to use it, set {all_of(missing)}" if missing else ""))
    return True
