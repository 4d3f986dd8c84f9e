"""`tendon providers`: the catalogue as a table."""

from __future__ import annotations

from gateway.commands.refusing import refusing
from gateway.listing import listing
from gateway.output import print_answer
from gateway.settings import read_catalogue_settings, read_environment


def run() -> None:
    with refusing():
        table = listing(read_catalogue_settings(), read_environment())
    print_answer(table)
