"""What all tests stand on: a sandbox and a gateway as processes of their own, and both interfaces to it.

A test chooses: `gateway` and `api` are there on each engine in turn, for all that is stored and read. `any_gateway` and
`any_api` are on one, for what is decided before the database is asked: how a request is read, refused and answered.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from providers.catalogue import BUILT_IN
from tests.any_input import PROFILE as PROFILE  # noqa: PLC0414 - for its effect
from tests.databases import ENGINES, Database, PostgresDatabase, SqliteFile, create_migrated_file
from tests.interfaces import GraphQL, Interface, Rest
from tests.postgres import PostgresServer, programs
from tests.processes import Process
from tests.proxy import Proxy
from tests.sandbox_control import Sandbox

REDIRECT_URI = "https://app.example/oauth/callback"
SLUGS = sorted(path.stem for path in BUILT_IN.glob("*.toml"))
# Every character that a form or a header could stumble over (RFC 6749 2.3.1).
SECRET = "s3cr:t%+ /&=é"


def credentials(*folders: Path) -> dict[str, str]:
    """Those of every provider in the catalogue and in these folders."""
    found: dict[str, str] = {}
    for file in (file for folder in (BUILT_IN, *folders) for file in folder.glob("*.toml")):
        name, entry = file.stem.upper().replace("-", "_"), tomllib.loads(file.read_text(encoding="utf-8"))
        found[f"{name}_CLIENT_ID"] = f"client-{file.stem}"
        if entry["token"].get("auth") not in ("private_key_jwt", "none"):
            found[f"{name}_CLIENT_SECRET"] = SECRET
        found |= {f"{name}_{secret.upper()}": value for secret, value in _secrets_of(entry).items()}
        # Also the sites that are not for everybody.
        if sites := [*entry.get("sites", ()), *named_sites(entry)]:
            found[f"{name}_SITES"] = ",".join(sites)
        for site, variables in named_sites(entry).items():
            found |= {f"{name}_{site.upper()}_{variable.upper()}": value for variable, value in variables.items()}
    return found


def named_sites(entry: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Two hospitals for each entry that leaves its sites to the operator, with the values of their variables."""
    needed = [name for name, default in entry.get("variables", {}).items() if not default]
    hospitals = ("north", "south") if entry.get("open_sites") else ()
    return {site: {name: f"{site}-{name.replace('_', '-')}.example" for name in needed} for site in hospitals}


def further_secrets(slug: str) -> dict[str, str]:
    """By the names that the provider's entry gives them."""
    return _secrets_of(catalogue_entry(slug))


def _secrets_of(entry: dict[str, Any]) -> dict[str, str]:
    return {name: f"s3cr:t {name}%" for name in entry.get("registration", {}).get("secrets", ())}


@pytest.fixture(scope="session")
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(trust_env=False, timeout=30, limits=limits) as shared:
        yield shared


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Generator[Process]:
    process = start_sandbox(tmp_path_factory.mktemp("sandbox"), credentials())
    yield process
    process.kill()


def start_sandbox(folder: Path, settings: dict[str, str]) -> Process:
    """A sandbox that writes its catalogue into the folder."""
    arguments = ["--redirect-uri", REDIRECT_URI, "--write-catalogue", str(folder / "catalogue")]
    return Process("sandbox", *arguments, folder=folder, settings=settings)


_UNREACHABLE = """
slug = "unreachable"
name = "Nobody there"
docs = "https://unreachable.example/docs"
[authorize]
url = "http://127.0.0.1:1/authorize"
pkce = "none"
[token]
url = "http://127.0.0.1:1/token"
auth = "client_secret_post"
"""


@pytest.fixture(scope="session")
def settings(sandbox_process: Process) -> dict[str, str]:
    """A gateway's settings: every provider of the catalogue is the sandbox in that provider's dialect, and there is
    one more, `unreachable`, where nobody listens."""
    catalogue = sandbox_process.folder / "catalogue"
    (catalogue / "unreachable.toml").write_text(_UNREACHABLE, encoding="utf-8")
    unreachable = {"UNREACHABLE_CLIENT_ID": "client-unreachable", "UNREACHABLE_CLIENT_SECRET": SECRET}
    return credentials() | unreachable | settings_with(catalogue)


def settings_with(catalogue: Path) -> dict[str, str]:
    """A gateway's settings besides credentials."""
    return {
        "TENDON_AUTH": "dev",
        "TENDON_SANDBOX": "0",
        "TENDON_CATALOGUE": str(catalogue),
        "TENDON_REDIRECT_URIS": f"{REDIRECT_URI} http://127.0.0.1:*/done",
        "TENDON_PROVIDER_TIMEOUT": "2",
        "TENDON_LOG_LEVEL": "DEBUG",
    }


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    server = PostgresServer(programs())
    yield server
    server.remove()


async def new_database(request: pytest.FixtureRequest, folder: Path, engine: str, *, migrated: bool = True) -> Database:
    if engine == "sqlite":
        return SqliteFile(create_migrated_file(folder / "tendon.db") if migrated else folder / "tendon.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return PostgresDatabase(await (server.create_migrated() if migrated else server.create()))


@pytest.fixture(scope="session", params=ENGINES)
async def shared_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """The one that `gateway` uses."""
    return await new_database(request, tmp_path_factory.mktemp("database"), request.param)


@pytest.fixture(params=ENGINES)
async def own_database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """One that no other test uses. It is migrated, and has no rows."""
    return await new_database(request, tmp_path, request.param)


@pytest.fixture(params=ENGINES)
async def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """One that no other test uses, without tables."""
    return await new_database(request, tmp_path, request.param, migrated=False)


def start_gateway(folder: Path, settings: dict[str, str], database: Database | None = None) -> Process:
    """A gateway on the migrated database; without one on a new SQLite file, where it is by default."""
    if database:
        settings = settings | {"TENDON_DATABASE_URL": database.url}
    else:
        create_migrated_file(folder / ".tendon" / "tendon.db")
    return Process("serve", folder=folder, settings=settings)


@pytest.fixture(scope="session")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], shared_database: Database
) -> Generator[Process]:
    """On each engine in turn."""
    process = start_gateway(tmp_path_factory.mktemp("gateway"), settings, shared_database)
    yield process
    process.kill()


@pytest.fixture(scope="session")
def any_gateway(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Generator[Process]:
    """On one engine, for what does not depend on it."""
    process = start_gateway(tmp_path_factory.mktemp("gateway"), settings)
    yield process
    process.kill()


@pytest.fixture(scope="session")
def sandbox(client: httpx.AsyncClient, sandbox_process: Process) -> Sandbox:
    return Sandbox(client, sandbox_process.origin)


@pytest.fixture
async def provider(sandbox_process: Process) -> AsyncGenerator[Proxy]:
    """The line to the sandbox's token endpoint."""
    line = Proxy(sandbox_process.port)
    await line.open()
    yield line
    await line.close()


@pytest.fixture
def catalogue(tmp_path: Path, sandbox_process: Process, provider: Proxy) -> Path:
    """In which the sandbox is asked for tokens over that line."""
    return catalogue_over(provider, sandbox_process, tmp_path / "catalogue")


def catalogue_over(line: Proxy, sandbox_process: Process, folder: Path) -> Path:
    entry = (sandbox_process.folder / "catalogue" / "sandbox.toml").read_text(encoding="utf-8")
    direct, held = (f'url = "http://127.0.0.1:{port}/token"' for port in (sandbox_process.port, line.port))
    assert direct in entry
    folder.mkdir()
    (folder / "sandbox.toml").write_text(entry.replace(direct, held), encoding="utf-8")
    return folder


@pytest.fixture
def held_gateway(
    tmp_path: Path, settings: dict[str, str], own_database: Database, catalogue: Path
) -> Generator[Process]:
    """One that no other test uses. It waits for a provider that answers when the test lets it: see `exchanges`."""
    process = start_gateway(tmp_path, settings | held(catalogue), own_database)
    yield process
    process.kill()


def held(catalogue: Path) -> dict[str, str]:
    """Settings of a gateway that waits for a provider whose line a test holds."""
    return {"TENDON_CATALOGUE": str(catalogue), "TENDON_PROVIDER_TIMEOUT": "25"}


@pytest.fixture(params=[Rest, GraphQL], ids=["rest", "graphql"])
def interface(request: pytest.FixtureRequest) -> type[Interface]:
    return request.param


@pytest.fixture
def api(interface: type[Interface], client: httpx.AsyncClient, gateway: Process) -> Interface:
    """Both interfaces, on each engine."""
    return interface(client, gateway.origin)


@pytest.fixture
def any_api(interface: type[Interface], client: httpx.AsyncClient, any_gateway: Process) -> Interface:
    """Both interfaces, on one engine."""
    return interface(client, any_gateway.origin)


@dataclass(frozen=True)
class Person:
    """A user whom no other test knows."""

    id: str

    @property
    def token(self) -> str:
        return f"dev:{self.id}"


@pytest.fixture
def someone() -> Person:
    return Person(f"user-{uuid4().hex}")


@pytest.fixture
def another() -> Person:
    return Person(f"user-{uuid4().hex}")


async def begin(
    api: Interface,
    sandbox: Sandbox,
    person: Person,
    slug: str = "sandbox",
    *,
    site: str | None = None,
    **decision: str,
) -> dict[str, Any]:
    """Authorize, at the first site if the provider has several, and let the user decide at the provider. Returns the
    members of the callback that is due."""
    site = site or _first_site(slug)
    at = {} if site is None else {"site": site}
    answer = await api.authorize(person.token, provider=slug, redirectUri=REDIRECT_URI, **at)
    back = await sandbox.approve(answer.data["url"], **decision)
    known = {name: back[name] for name in ("code", "state", "iss", "scope", "error") if name in back}
    return {"provider": slug, "redirectUri": REDIRECT_URI, "code": "", **known}


class Exchanges:
    """Callbacks whose exchange has begun. The provider is asked at once, and answers when the test lets it."""

    def __init__(self, sandbox: Sandbox, client: httpx.AsyncClient, provider: Proxy) -> None:
        self._sandbox, self._client, self._provider = sandbox, client, provider
        self._begun: list[asyncio.Task[str]] = []

    async def begin(self, process: Process, person: Person, kind: type[Interface] = Rest) -> asyncio.Task[str]:
        """The task gives the status of the connection."""
        api = kind(self._client, process.origin)
        callback = await begin(api, self._sandbox, person)
        self.hold()

        async def complete() -> str:
            return (await api.complete(person.token, **callback)).connection["status"]

        self._begun.append(asyncio.create_task(complete()))
        await self._sandbox.asked(callback["code"])
        return self._begun[-1]

    def hold(self) -> None:
        self._provider.hold_replies()

    def end(self) -> None:
        self._provider.flow()

    def forget(self) -> None:
        for task in self._begun:
            task.cancel()


@pytest.fixture
def exchanges(sandbox: Sandbox, client: httpx.AsyncClient, provider: Proxy) -> Generator[Exchanges]:
    begun = Exchanges(sandbox, client, provider)
    yield begun
    begun.forget()


def _first_site(slug: str) -> str | None:
    return next(iter(catalogue_entry(slug).get("sites", ())), None) if slug in SLUGS else None


@cache
def catalogue_entry(slug: str) -> dict[str, Any]:
    return tomllib.loads((BUILT_IN / f"{slug}.toml").read_text(encoding="utf-8"))
