"""What is due of one provider doesn't hide what is due of another, however much it is."""

from __future__ import annotations

from models.database import Database
from models.ids import new_id
from models.revocation import Material, NewRevocation, add_revocation, seal_material
from models.revocation_delivery import find_due as find_due_revocations
from models.token_refresh import find_due as find_due_connections
from tests.models.flows import VAULT, binding, connect
from tests.models.rows import run


async def test_many_revocations_of_a_provider_dont_hide_those_of_others(database: Database) -> None:
    ids: list[str] = []
    for number, provider in enumerate(["oura", "oura", "oura", "whoop"]):
        ids.append(id_ := new_id())
        material = seal_material(VAULT, id_, Material("access", "refresh", "alice", "sam"), provider)
        await add_revocation(database, NewRevocation(id_, provider, "", "p-alice", "p-sam", material))
        change = "UPDATE revocation SET due_at = after(:since) WHERE id = :id RETURNING id"
        await run(database, change, since=-10.0 + number, id=id_)
    found = [due.id for due in await find_due_revocations(database, 3)]
    assert found == [ids[0], ids[3], ids[1]]


async def test_many_connections_of_a_provider_dont_hide_those_of_others(database: Database) -> None:
    ids: list[str] = []
    for number, provider in enumerate(["oura", "oura", "oura", "whoop"]):
        ids.append(await connect(database, binding(f"s{number}", user=f"user-{number}", provider=provider)))
        change = "UPDATE connection SET due_at = after(:since) WHERE id = :id RETURNING id"
        await run(database, change, since=-10.0 + number, id=ids[-1])
    found = [due.id for due in await find_due_connections(database, 3)]
    assert found == [ids[0], ids[3], ids[1]]
