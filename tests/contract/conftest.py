"""One sandbox and one gateway for all entries of the catalogue and for the made-up ones."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import httpx
import pytest

from providers.catalogue import Catalogue, read_catalogue
from providers.client_keys import read_client_key
from tests.client_keys import as_pem, rsa_key
from tests.conftest import Person, credentials, settings_with, start_gateway, start_sandbox
from tests.contract.flow import Flow, new_account
from tests.contract.places import VENDORS, Place
from tests.contract.tokens import Registered, registered
from tests.interfaces import Interface, Rest
from tests.processes import Process
from tests.sandbox_control import Sandbox
from wire.http.client import Client, open_client


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The private key with which we authenticate where there is no secret."""
    file = tmp_path_factory.mktemp("keys") / "client.pem"
    file.write_bytes(as_pem(rsa_key()))
    file.chmod(0o600)
    return file


@pytest.fixture(scope="session")
def ours_everywhere(key_file: Path) -> dict[str, str]:
    """Our credentials at all providers."""
    return credentials(VENDORS) | {"TENDON_CLIENT_KEYS": str(key_file)}


@pytest.fixture(scope="session")
def provider_process(tmp_path_factory: pytest.TempPathFactory, ours_everywhere: dict[str, str]) -> Generator[Process]:
    settings = ours_everywhere | {"TENDON_CATALOGUE": str(VENDORS)}
    process = start_sandbox(tmp_path_factory.mktemp("providers"), settings)
    yield process
    process.kill()


@pytest.fixture(scope="session")
def service(
    tmp_path_factory: pytest.TempPathFactory, provider_process: Process, ours_everywhere: dict[str, str]
) -> Generator[Process]:
    """A gateway. Nothing that an entry says makes a difference to the database, so one engine is enough."""
    settings = ours_everywhere | settings_with(provider_process.folder / "catalogue")
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
def registration(
    ours: Client, providers: Sandbox, catalogue_there: Catalogue, place: Place, key_file: Path
) -> Registered:
    return registered(ours, providers, catalogue_there, place, read_client_key(key_file.read_bytes()))
