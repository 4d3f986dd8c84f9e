"""`tendon providers`: the catalogue as a table."""

from __future__ import annotations

import sys

from gateway.commands.refusing import refusing
from gateway.listing import listing
from gateway.output import print_answer
from gateway.settings import read_catalogue_settings, read_environment
from gateway.settings.warnings import catalogue_warnings, unknown_settings


def run() -> None:
    with refusing():
        settings, environment = read_catalogue_settings(), read_environment()
        for warning in (*unknown_settings(settings, environment), *catalogue_warnings(settings, environment)):
            print(f"{warning.about}: {warning.reason}", file=sys.stderr)  # noqa: T201 - for the person at the terminal
        table = listing(settings, environment)
    print_answer(table)
