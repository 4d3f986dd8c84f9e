"""The page with all providers, and those that can't be connected; and the list of providers in README.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from providers.catalogue import Catalogue
from providers.entry.provider import Provider
from providers.unsupported import Unsupported
from scripts.provider_docs.page import CATEGORIES, SURE
from scripts.provider_docs.words import code, link, listed, prose, table

_INTRODUCTION: Final = (
    "Each provider has a page that says how to get credentials, what users are asked for, what Tendon does there, and"
    " where the facts come from. `make providers-docs` writes the pages from the entries in"
    " [`providers/catalogue/`](../../providers/catalogue), whose format is described in"
    " [docs/catalogue.md](../catalogue.md)."
)
_COLUMNS: Final = (
    "- **sign-ups:** who may register an app. `open`: anybody. `review`: anybody, but only a few users can connect"
    " until the vendor has reviewed the app. `partners`: only companies with a contract. `held`: nobody for now."
    " `closed`: nobody any more.",
    "- **PKCE:** whether the provider is known to check it. If it doesn't, a stolen code can be used in another user's"
    " flow ([known limits](../security.md#known-limits)).",
    "- **refresh:** what happens to a refresh token when it is used; see [Refreshing](../catalogue.md#refreshing).",
    "- **revocation:** what ends at the provider when a user disconnects: the tokens of that connection (`token`), all"
    " tokens that the app has for the user (`grant`), or all that the app has of the account (`account`); see"
    " [Revocation](../catalogue.md#revocation).",
    "- **sites:** regions or hospitals; each is a connection of its own, see [Sites](../catalogue.md#sites).",
    "- **sources:** how many there are of each kind: documentation of the vendor, implementations (at least two public"
    " clients agree), or unverified.",
)
_UNSUPPORTED: Final = (
    "They have no OAuth 2 flow in which a user gives an app access, or too little is known of it. A reason without a"
    " source is what is generally said, and is not verified. The list is in"
    " [`providers/unsupported.toml`](../../providers/unsupported.toml)."
)


def overview(catalogue: Catalogue, unsupported: Mapping[str, Unsupported]) -> str:
    """The page in Markdown, which ends with a line break."""
    return "\n\n".join(_parts(catalogue, unsupported)) + "\n"


def names(catalogue: Catalogue) -> str:
    """A line for each category that has providers, with links to their pages."""
    links = {category: list[str]() for category in CATEGORIES}
    for entry in _sorted(catalogue):
        links[entry.category].append(f"[{prose(entry.name)}](docs/providers/{entry.slug}.md)")
    return "\n".join(f"- {CATEGORIES[each].capitalize()}: {', '.join(found)}" for each, found in links.items() if found)


def _sorted(catalogue: Catalogue) -> list[Provider]:
    return sorted(catalogue.values(), key=lambda entry: entry.name.casefold())


def _parts(catalogue: Catalogue, unsupported: Mapping[str, Unsupported]) -> Iterator[str]:
    yield "<!-- Written by `make providers-docs`. -->"
    yield "# Providers"
    yield _INTRODUCTION
    yield table(
        ["provider", "slug", "category", "sign-ups", "PKCE", "refresh", "revocation", "sites", "sources"],
        map(_row, _sorted(catalogue)),
    )
    yield "\n".join(_COLUMNS)
    yield "## Providers that can't be connected"
    yield _UNSUPPORTED
    by_name = sorted(unsupported.values(), key=lambda vendor: vendor.name.casefold())
    yield table(["provider", "why not"], [[prose(vendor.name), " ".join(_why_not(vendor))] for vendor in by_name])


def _why_not(vendor: Unsupported) -> Iterator[str]:
    yield prose(vendor.reason)
    if vendor.instead:
        yield prose(vendor.instead)
    for source in vendor.sources:
        yield f"({link(source.url)}: {SURE[source.sure]})"


def _row(entry: Provider) -> list[str]:
    ends = f", ends {entry.lifecycle.ends}" if entry.lifecycle.ends else ""
    return [
        f"[{prose(entry.name)}]({entry.slug}.md)",
        code(entry.slug),
        CATEGORIES[entry.category],
        f"{entry.lifecycle.sign_ups}{ends}",
        "refused" if entry.authorize.pkce == "none" else "checked" if entry.authorize.pkce_checked else "not known",
        entry.token.refresh,
        entry.revoke.ends if entry.revoke else "none",
        listed([*map(code, entry.sites), *(["those that you name"] if entry.open_sites else [])])
        if entry.has_sites
        else "",
        _facts(entry),
    ]


def _facts(entry: Provider) -> str:
    """Such as `documented 4, unverified 1`."""
    count = Counter(source.sure for source in entry.sources)
    return ", ".join(f"{name} {count[sure]}" for sure, name in SURE.items() if count[sure]) or "no sources"
