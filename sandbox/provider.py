"""An imitated provider: its dialect, its client, its settings, and what all providers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.calls import CallLog
from sandbox.client import Client
from sandbox.dialect import Dialect
from sandbox.fault_plan import FaultPlan
from sandbox.settings import Settings
from sandbox.token_store import Family, TokenStore


@dataclass(slots=True)
class Provider:
    """A provider without a `client` rejects every app. All providers share `tokens`, `calls` and `faults`.

    `assertions` are the ids of those that the client has used, and when they expire.
    `nonces` are for adapters: those that were issued and not yet used, and when they expire.
    `of_accounts` has what differs from `settings` for single accounts.
    """

    dialect: Dialect
    client: Client | None
    settings: Settings
    tokens: TokenStore
    calls: CallLog
    faults: FaultPlan
    nonces: dict[str, float] = field(default_factory=dict[str, float])
    assertions: dict[str, float] = field(default_factory=dict[str, float])
    of_accounts: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])

    @property
    def slug(self) -> str:
        return self.dialect.slug

    @property
    def site(self) -> str:
        return self.dialect.site

    @property
    def key(self) -> str:
        return self.dialect.key

    def behaviour(self, account: str, flow: Mapping[str, Any]) -> Settings:
        """The settings for an account and a flow. Those of the flow come first, then those of the account."""
        changes = {**self.of_accounts.get(account, {}), **flow}
        return self.settings.model_copy(update=changes) if changes else self.settings

    def behaviour_for(self, family: Family) -> Settings:
        return self.behaviour(family.grant.account, family.settings)
