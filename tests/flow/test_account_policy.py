"""Where an account may belong to one user only, another user is refused, and may connect another account."""

from __future__ import annotations

from collections.abc import Generator

import httpx
import pytest

from tests.conftest import Person, begin, new_database, start_gateway
from tests.databases import ENGINES, Database
from tests.interfaces import Interface
from tests.processes import Process
from tests.sandbox_control import Sandbox


@pytest.fixture(scope="module", params=ENGINES)
async def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """One whose accounts are exclusive from the start."""
    return await new_database(request, tmp_path_factory.mktemp("database"), request.param)


@pytest.fixture(scope="module")
def process(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], database: Database
) -> Generator[Process]:
    folder = tmp_path_factory.mktemp("rejecting")
    process = start_gateway(folder, settings | {"TENDON_ACCOUNT_POLICY": "reject"}, database)
    yield process
    process.kill()


@pytest.fixture
def rejecting(process: Process, interface: type[Interface], client: httpx.AsyncClient) -> Interface:
    return interface(client, process.origin)


@pytest.mark.parametrize("slug", ["fitbit", "sandbox"])
async def test_another_users_account_is_refused(
    rejecting: Interface, sandbox: Sandbox, someone: Person, another: Person, slug: str, database: Database
) -> None:
    account = f"one-{someone.id[-20:]}"
    first = await rejecting.complete(someone.token, **await begin(rejecting, sandbox, someone, slug, account=account))
    callback = await begin(rejecting, sandbox, another, slug, account=account)
    for _ in range(2):
        refused = await rejecting.complete(another.token, **callback)
        assert (refused.code, refused.message) == (
            "ACCOUNT_TAKEN",
            "Another user is connected to this account at the provider. Connect another account.",
        )
        assert refused.status == (400 if rejecting.name == "rest" else 200)
    again = await rejecting.complete(someone.token, **await begin(rejecting, sandbox, someone, slug, account=account))
    assert again.connection["id"] == first.connection["id"]
    other = await begin(rejecting, sandbox, another, slug, account=f"other-{another.id[-20:]}")
    assert (await rejecting.complete(another.token, **other)).connection["status"] == "connected"
    count = "SELECT count(*) FROM connection WHERE user_id IN ($1, $2)"
    assert await database.value(count, someone.id, another.id) == 2


async def test_an_account_that_the_provider_does_not_say(
    rejecting: Interface, sandbox: Sandbox, someone: Person, database: Database
) -> None:
    callback = await begin(rejecting, sandbox, someone, "sandbox", account=f"one-{someone.id[-20:]}")
    await sandbox.answer("sandbox", "{}", endpoint="account", status=500)
    pending = (await rejecting.complete(someone.token, **callback)).connection
    assert pending["status"] == "pending"
    assert (await rejecting.complete(someone.token, **callback)).connection == pending
    listed = await rejecting.connections(someone.token, userId=someone.id)
    assert [(one["id"], one["status"]) for one in listed.data["connections"]] == [(pending["id"], "pending")]
    issued = await rejecting.issue("dev-service:etl", pending["id"])
    assert (issued.code, issued.message) == (
        "SERVICE_UNAVAILABLE",
        "The provider has not said yet whose account this is. Try again later.",
    )
    assert (await rejecting.disconnect(someone.token, pending["id"], userId=someone.id)).code is None
    assert await database.value("SELECT status FROM connection WHERE user_id = $1", someone.id) == "disconnected"
    kept = "SELECT count(*) FROM revocation WHERE connection_id = $1"
    assert await database.value(kept, pending["id"]) == 1
