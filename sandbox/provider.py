"""One provider as it is played here: its dialect, its registration of the app, and the books it shares."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.calls import Calls
from sandbox.client import Client
from sandbox.dialect import Dialect
from sandbox.ledger import Ledger
from sandbox.plan import Plan
from sandbox.settings import Settings


@dataclass(slots=True)
class Provider:
    dialect: Dialect
    client: Client | None
    settings: Settings
    ledger: Ledger
    calls: Calls
    plan: Plan

    @property
    def slug(self) -> str:
        return self.dialect.slug
