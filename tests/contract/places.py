"""Where users can connect: every entry of the catalogue, at each of its sites, as its file says. A new file is found by
itself. `vendors/` has made-up entries, which combine what no real one does.

What the tests expect comes from here and not from Tendon's own reader, which would repeat its mistakes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from providers.catalogue import BUILT_IN
from tests.conftest import named_sites

VENDORS = Path(__file__).with_name("vendors")


@dataclass(frozen=True)
class Place:
    """A provider, or one of its sites. `entry` is the file with the values of its variables there."""

    slug: str
    site: str
    entry: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.slug}-{self.site}" if self.site else self.slug

    @property
    def authorize(self) -> dict[str, Any]:
        return self.entry["authorize"]

    @property
    def token(self) -> dict[str, Any]:
        return self.entry["token"]

    @property
    def revoke(self) -> dict[str, Any] | None:
        return self.entry.get("revoke")

    @property
    def revocation(self) -> dict[str, Any]:
        """`[revoke]` of an entry that has one."""
        return self.entry["revoke"]

    @property
    def revokes_by_access_token(self) -> bool:
        """Whether the access token authorizes a revocation, so that one that has expired can't."""
        if self.revoke is None or "adapter" in self.revoke:
            return False
        places = (self.revoke["url"], *self.revoke.get("headers", {}).values())
        return self.revoke.get("auth") == "bearer" or any("{access_token}" in text for text in places)

    def secret_headers(self, table: str) -> list[str]:
        """The header fields of a table that have further credentials."""
        headers = self.entry.get(table, {}).get("headers", {})
        return [name for name, text in headers.items() if any(f"{{{one}}}" in text for one in self.secrets_at(table))]

    @property
    def marks_revocations(self) -> bool:
        """Whether the answer to a revocation is a 200, even if it failed."""
        return "success" in self.revocation

    def revocation_needs(self, name: str) -> bool:
        """Whether nothing can be revoked without the account or the refresh token."""
        rule = self.revocation
        if "adapter" in rule:
            return name == "account"
        texts = (rule["url"], *rule.get("headers", {}).values(), *rule.get("params", {}).values())
        return rule.get("token") == name or any(f"{{{name}}}" in text for text in texts)

    def secrets_at(self, table: str) -> list[str]:
        """The further credentials that header fields of a table have."""
        texts = self.entry.get(table, {}).get("headers", {}).values()
        secrets = self.entry.get("registration", {}).get("secrets", [])
        return [name for name in secrets if any(f"{{{name}}}" in text for text in texts)]

    @property
    def tells_wrong_credentials(self) -> bool:
        """Whether an error that is marked in a 200 shows that our credentials are wrong."""
        rows = self.token.get("errors", [])
        return "success" not in self.token or any(row["meaning"] == "misconfigured" for row in rows)

    @property
    def tells_dead_tokens(self) -> bool:
        """The same for a code or a refresh token that is no longer valid."""
        rows = self.token.get("errors", [])
        return "success" not in self.token or any(row["meaning"] == "grant_over" for row in rows)

    @property
    def requested(self) -> list[str]:
        return self.authorize.get("scopes", [])

    @property
    def separator(self) -> str:
        return self.authorize.get("scope_separator", " ")

    @property
    def grantable(self) -> list[str]:
        """The scopes that the user can grant: those that are requested, or those that the provider is asked for."""
        return self.requested or (list(self.entry.get("scopes", {})) if "granted" in self.entry else [])

    @property
    def says_granted(self) -> bool:
        """Whether what the user granted can be known."""
        return bool(self.grantable)

    @property
    def is_bound(self) -> bool:
        """Whether a stolen code is of no use to others, because the provider checks the verifier."""
        return self.authorize.get("pkce", "S256") == "S256" and self.authorize.get("pkce_checked", True)

    @property
    def refresh(self) -> str:
        return self.token.get("refresh", "rotating")

    @property
    def knows_account(self) -> bool:
        return "account" in self.token or "account_claim" in self.token or "account" in self.entry

    @property
    def asks_for_account(self) -> bool:
        """Whether the account has to be asked for."""
        return "account" in self.entry and "account" not in self.token and "account_claim" not in self.token

    @property
    def input(self) -> dict[str, str]:
        """What an app adds to the input of the mutation to choose the site."""
        return {"site": self.site} if self.site else {}


def _read() -> list[Place]:
    places: list[Place] = []
    for file in sorted(file for folder in (BUILT_IN, VENDORS) for file in folder.glob("*.toml")):
        text = file.read_text(encoding="utf-8")
        entry = tomllib.loads(text)
        own: dict[str, Any] = entry.get("sites", {})
        sites = {id_: site.get("variables", {}) for id_, site in own.items()} | named_sites(entry)
        places += [Place(file.stem, site, _at(text, sites.get(site, {}))) for site in sites or [""]]
    return places


def _at(text: str, variables: dict[str, str]) -> dict[str, Any]:
    entry = tomllib.loads(text)
    values = entry.get("variables", {}) | variables
    revocation = entry.pop("revoke", None)
    for name, value in values.items():
        text = re.sub(rf"\{{{name}\}}", value, text)
    there = tomllib.loads(text)
    if revocation is not None:
        there["revoke"] = revocation
    return there


PLACES = _read()
everywhere = pytest.mark.parametrize("place", PLACES, ids=str)


def those(where: Callable[[Place], object]) -> pytest.MarkDecorator:
    """The places that fit."""
    return pytest.mark.parametrize("place", [place for place in PLACES if where(place)], ids=str)
