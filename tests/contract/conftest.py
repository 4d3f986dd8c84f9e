"""One sandbox and one gateway for all entries of the catalogue and for the made-up ones."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import httpx
import pytest

from providers.catalogue import Catalogue, read_catalogue
from tests.conftest import Person, credentials, settings_with, start_gateway, start_sandbox
from tests.contract.flow import Flow, new_account
from tests.contract.places import VENDORS, Place
from tests.contract.tokens import Registered, registered
from tests.interfaces import Interface, Rest
from tests.processes import Process
from tests.sandbox_control import Sandbox
from wire.http.client import Client, open_client


@pytest.fixture(scope="session")
def provider_process(tmp_path_factory: pytest.TempPathFactory) -> Generator[Process]:
    settings = credentials(VENDORS) | {"TENDON_CATALOGUE": str(VENDORS)}
    process = start_sandbox(tmp_path_factory.mktemp("providers"), settings)
    yield process
    process.kill()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, provider_process: Process) -> Generator[Process]:
    """A gateway. Nothing that an entry says makes a difference to the database, so one engine is enough."""
    settings = credentials(VENDORS) | settings_with(provider_process.folder / "catalogue")
    process = start_gateway(tmp_path_factory.mktemp("service"), settings)
    yield process
    process.kill()


@pytest.fixture(scope="session")
def providers(client: httpx.AsyncClient, provider_process: Process) -> Sandbox:
    return Sandbox(client, provider_process.origin)


@pytest.fixture
def flow(
    interface: type[Interface],
    client: httpx.AsyncClient,
    service: Process,
    providers: Sandbox,
    someone: Person,
    place: Place,
) -> Flow:
    """Through both interfaces."""
    return Flow(interface(client, service.origin), providers, client, someone, place, new_account())


@pytest.fixture
def rest_flow(client: httpx.AsyncClient, service: Process, providers: Sandbox, someone: Person, place: Place) -> Flow:
    """Through one interface, for answers that no interface sees."""
    return Flow(Rest(client, service.origin), providers, client, someone, place, new_account())


@pytest.fixture(scope="session")
def catalogue_there(provider_process: Process) -> Catalogue:
    """The catalogue in which the sandbox is every provider."""
    return read_catalogue(provider_process.folder / "catalogue", variables={}, allow_private=True)


@pytest.fixture(scope="session")
async def ours() -> AsyncGenerator[Client]:
    async with open_client(allow_private=True, timeout=5) as client:
        yield client


@pytest.fixture
def registration(ours: Client, providers: Sandbox, catalogue_there: Catalogue, place: Place) -> Registered:
    return registered(ours, providers, catalogue_there, place)
