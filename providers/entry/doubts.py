"""What is suspicious about a valid entry: an author may have forgotten it, or not know it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from providers.entry.provider import Provider

_YEAR: Final = dt.timedelta(days=365)


def doubts(entry: Provider, today: dt.date) -> Iterator[str]:
    """A line for each, such as `sources: is missing …`. A source about the matter settles some of them."""
    if entry.authorize.scopes and not entry.scopes:
        yield f"scopes: is missing: users see no sentence that explains {', '.join(entry.authorize.scopes)}"
    if not (entry.account or entry.token.account or entry.token.account_claim):
        yield (
            "account: is missing, and so are token.account and token.account_claim: without the provider's own id of "
            "the user, Tendon can't notice that two users connect the same account"
        )
    yield from _about_sites(entry)
    if not entry.sources:
        yield "sources: is missing: say where the facts come from, when you saw it, and how sure it is"
        return
    if entry.authorize.pkce == "S256" and entry.authorize.pkce_checked and not _has_source(entry, "pkce"):
        yield (
            "authorize.pkce_checked: is true, and no source has `PKCE` in its facts: write false unless the provider "
            "is known to check the code verifier"
        )
    if entry.revoke is None and not _has_source(entry, "revo"):
        yield (
            "revoke: is missing, and no source has `revocation` in its facts: Tendon only forgets the tokens of "
            "connections that end, and the provider still accepts them"
        )
    yield from _about_dates(entry, today)


def _about_sites(entry: Provider) -> Iterator[str]:
    first: dict[str, str] = {}
    for id_, there in entry.at_sites.items():
        other = first.setdefault(there.token.url, id_)
        if other != id_:
            yield (
                f"sites.{id_}: has the same token endpoint as sites.{other}: if both have the same accounts, two users "
                "can connect one account unnoticed, and a revocation at one site may end a connection at the other"
            )


def _has_source(entry: Provider, word: str) -> bool:
    return any(word in source.facts.lower() for source in entry.sources)


def _about_dates(entry: Provider, today: dt.date) -> Iterator[str]:
    for position, source in enumerate(entry.sources):
        if source.seen > today:
            yield f"sources.{position}.seen: is in the future (row {position + 1})"
        elif source.seen < today - _YEAR:
            yield f"sources.{position}.seen: is more than a year ago: look at it again (row {position + 1})"
    if entry.lifecycle.ends is not None and entry.lifecycle.ends < today:
        yield "lifecycle.ends: has passed: the vendor has turned this API off"
