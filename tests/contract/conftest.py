"""One gateway and one sandbox for all entries."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest

from providers.catalogue import Catalogue, read_catalogue
from tests.conftest import Person
from tests.contract.flow import Flow, new_account
from tests.contract.places import Place
from tests.contract.tokens import Registered, registered
from tests.interfaces import Interface
from tests.processes import Process
from tests.sandbox_control import Sandbox
from wire.http.client import Client, open_client


@pytest.fixture
def flow(any_api: Interface, sandbox: Sandbox, client: httpx.AsyncClient, someone: Person, place: Place) -> Flow:
    """Through both interfaces. Nothing that an entry says makes a difference to the database, so one engine is
    enough."""
    return Flow(any_api, sandbox, client, someone, place, new_account())


@pytest.fixture(scope="session")
def at_sandbox(sandbox_process: Process) -> Catalogue:
    """The catalogue in which the sandbox is every provider."""
    return read_catalogue(sandbox_process.folder / "catalogue", variables={}, allow_private=True)


@pytest.fixture(scope="session")
async def ours() -> AsyncGenerator[Client]:
    async with open_client(allow_private=True, timeout=5) as client:
        yield client


@pytest.fixture
def registration(ours: Client, sandbox: Sandbox, at_sandbox: Catalogue, place: Place) -> Registered:
    return registered(ours, sandbox, at_sandbox, place)
