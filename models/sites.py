"""Which rows may be about the same server of a provider."""

from __future__ import annotations


def same_site(table: str) -> str:
    """A condition: the table's row is of the site `:site`, or may be. What has no site is from before the provider had
    any, when it had one server for all, which now is one of the sites."""
    return f"({table}.site = :site OR {table}.site = '' OR :site = '')"
