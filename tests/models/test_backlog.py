"""What `tendon status` counts."""

from __future__ import annotations

from models.backlog import unconfirmed_revocations
from models.database import Database
from models.ids import new_id
from models.revocation import NewRevocation, add_revocation


async def test_revocations_are_counted_by_provider_and_site(database: Database) -> None:
    """A site may have credentials of its own, or none."""
    for provider, site in (("oura", ""), ("dexcom", "eu"), ("dexcom", "us")):
        await add_revocation(database, NewRevocation(new_id(), provider, site, "p-alice", None, b"sealed"))
    found = await unconfirmed_revocations(database)
    assert sorted(one.provider for one in found) == ["dexcom/eu", "dexcom/us", "oura"]
