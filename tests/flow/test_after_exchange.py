"""A vendor that needs all that few vendors need: it refuses with the state alone, names the account in an id_token or
by POST, says the granted scopes only when it is asked, and wants its users registered."""

from __future__ import annotations

import asyncio
import base64
import json
from asyncio import StreamWriter
from collections.abc import AsyncGenerator, Generator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import REDIRECT_URI, Person, new_database, start_gateway
from tests.databases import ENGINES, Database
from tests.interfaces import Interface, Rest
from tests.processes import Process
from tests.waiting import until
from tests.wire.http.loopback import Asked, Loopback, answering, loopback

ENTRY = """
slug = "odd"
name = "Odd Vendor"
docs = "https://odd.example/docs"
[registration]
secrets = ["key"]
[authorize]
url = "{origin}/authorize"
scopes = ["sleep", "steps"]
denied = "state_only"
[token]
url = "{origin}/token"
account_claim = "sub"
[account]
url = "{origin}/verify"
field = "userId"
method = "POST"
form = {{ fields = "userId" }}
headers = {{ Api-Key = "{{key}}" }}
[granted]
url = "{origin}/permissions"
field = "permissions"
[after_exchange]
adapter = "polar"
url = "{origin}/users"
[revoke]
url = "{origin}/users/{{account}}"
method = "DELETE"
auth = "bearer"
ends = "account"
"""
PAST = "'2020-01-01 00:00:00.000000+00:00'"
TOKENS = count(1)


class OddVendor:
    """`account` stands in the id_token, or, with `says_who` false, where it is asked for. Registrations get `status`,
    and wait as long as `leave` is not set."""

    def __init__(self) -> None:
        self.server = Loopback()
        self.leave = asyncio.Event()
        self.reset()

    def reset(self) -> None:
        self.account = f"account-{uuid4().hex}"
        self.says_who = True
        self.status = "200 OK"
        self.leave.set()
        self.server.asked.clear()

    async def respond(self, asked: Asked, writer: StreamWriter) -> None:
        status, body = "200 OK", {}
        match asked.line.split(" ")[:2]:
            case ["POST", "/token"]:
                body = {"access_token": f"made-up-{next(TOKENS)}", "scope": "PARTNER_READ"}
                if self.says_who:
                    body["id_token"] = id_token({"sub": self.account})
            case ["POST", "/verify"]:
                body = {"userId": self.account}
            case ["GET", "/permissions"]:
                body = {"permissions": ["sleep"]}
            case ["POST", "/users"]:
                await self.leave.wait()
                status = self.status
            case _:
                pass
        await answering(json.dumps(body).encode(), status=status)(asked, writer)

    def asked(self) -> list[str]:
        return [" ".join(asked.line.split(" ")[:2]) for asked in self.server.asked]

    def last(self, path: str) -> Asked:
        return [asked for asked in self.server.asked if asked.line.split(" ")[1] == path][-1]


def id_token(claims: dict[str, Any]) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2lnbmVk"


@pytest.fixture(scope="module")
async def vendors() -> AsyncGenerator[OddVendor]:
    vendor = OddVendor()
    async with loopback(vendor.respond) as vendor.server:
        yield vendor


@pytest.fixture
def vendor(vendors: OddVendor) -> OddVendor:
    vendors.reset()
    return vendors


@pytest.fixture(scope="module", params=ENGINES)
async def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """Of this module alone: others on the same database would need the same vault key."""
    return await new_database(request, tmp_path_factory.mktemp("database"), request.param)


@pytest.fixture(scope="module")
def odd_settings(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], vendors: OddVendor
) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("odd")
    (folder / "odd.toml").write_text(ENTRY.format(origin=vendors.server.origin), encoding="utf-8")
    credentials = {"ODD_CLIENT_ID": "client", "ODD_CLIENT_SECRET": "secret", "ODD_KEY": "a-key"}
    return settings | credentials | {"TENDON_CATALOGUE": str(folder)}


@pytest.fixture(scope="module")
def connecting(
    tmp_path_factory: pytest.TempPathFactory, odd_settings: dict[str, str], database: Database
) -> Generator[Process]:
    process = start_gateway(tmp_path_factory.mktemp("connecting"), odd_settings, database)
    yield process
    process.kill()


@pytest.fixture
def odd(connecting: Process, interface: type[Interface], client: httpx.AsyncClient) -> Interface:
    return interface(client, connecting.origin)


async def begin(api: Interface, person: Person, **changes: Any) -> dict[str, Any]:
    begun = await api.authorize(person.token, provider="odd", redirectUri=REDIRECT_URI)
    callback = {"provider": "odd", "redirectUri": REDIRECT_URI, "code": uuid4().hex, "state": begun.data["state"]}
    return callback | changes


async def stored(database: Database, person: Person) -> tuple[Any, ...]:
    columns = "SELECT account, granted_scopes, status, status_reason FROM connection WHERE user_id = $1"
    ((account, granted, *status),) = await database.fetch(columns, person.id)
    return (account, granted if isinstance(granted, list) else json.loads(granted), *status)


async def test_a_connection_with_all_that_the_vendor_says(
    odd: Interface, vendor: OddVendor, database: Database, someone: Person
) -> None:
    callback = await begin(odd, someone)
    for _ in range(2):
        assert (await odd.complete(someone.token, **callback)).connection["status"] == "connected"
    assert await stored(database, someone) == (vendor.account, ["sleep"], "connected", "scopes_missing")
    assert vendor.asked() == ["POST /token", "POST /users", "GET /permissions"]


async def test_the_account_is_asked_for_by_post(
    odd: Interface, vendor: OddVendor, database: Database, someone: Person
) -> None:
    vendor.says_who = False
    assert (await odd.complete(someone.token, **await begin(odd, someone))).connection["status"] == "connected"
    assert (await stored(database, someone))[:2] == (vendor.account, ["sleep"])
    assert sorted(vendor.asked()) == ["GET /permissions", "POST /token", "POST /users", "POST /verify"]
    asked = vendor.last("/verify")
    assert (asked.form, asked.headers["api-key"]) == ({"fields": ["userId"]}, "a-key")


async def test_the_vendor_learns_nothing_of_the_user(odd: Interface, vendor: OddVendor, someone: Person) -> None:
    ids: list[str] = []
    for says_who in (True, True, False):
        vendor.says_who = says_who
        await odd.complete(someone.token, **await begin(odd, someone))
        ids.append(json.loads(vendor.last("/users").body)["member-id"])
    assert ids[0] == ids[1] != ids[2]
    for asked in vendor.server.asked:
        assert someone.id.encode() not in asked.body


async def test_the_state_alone_is_a_refusal(odd: Interface, vendor: OddVendor, someone: Person) -> None:
    callback = await begin(odd, someone, code="")
    for _ in range(2):
        answer = await odd.complete(someone.token, **callback)
        assert (answer.code, answer.status) == ("ACCESS_DENIED", 400 if isinstance(odd, Rest) else 200)
    assert (await odd.complete(someone.token, **callback | {"code": "late"})).code == "INVALID_STATE"
    assert vendor.asked() == []


async def test_elsewhere_it_is_malformed(odd: Interface, someone: Person) -> None:
    callback = await begin(odd, someone, code="", provider="sandbox")
    answer = await odd.complete(someone.token, **callback)
    assert (answer.code, answer.message) == ("VALIDATION_ERROR", "code must not be empty.")


@pytest.mark.parametrize(
    ("status", "code"),
    [("503 Unavailable", "PROVIDER_UNAVAILABLE"), ("403 Forbidden", "ACCESS_DENIED")],
)
async def test_a_user_who_can_not_be_registered_starts_again(
    odd: Interface, vendor: OddVendor, database: Database, someone: Person, status: str, code: str
) -> None:
    vendor.status = status
    callback = await begin(odd, someone)
    for _ in range(2):
        assert (await odd.complete(someone.token, **callback)).code == code
    assert vendor.asked() == ["POST /token", "POST /users"]
    assert (await odd.connections(someone.token, userId=someone.id)).data == {"connections": []}
    vendor.status = "409 Conflict"
    assert (await odd.complete(someone.token, **await begin(odd, someone))).connection["status"] == "connected"
    assert (await stored(database, someone))[0] == vendor.account


async def test_one_registration_for_a_callback_that_is_sent_many_times(
    odd: Interface, vendor: OddVendor, someone: Person
) -> None:
    vendor.leave.clear()
    callback = await begin(odd, someone)
    many = [asyncio.create_task(odd.complete(someone.token, **callback)) for _ in range(10)]
    await until(lambda: "POST /users" in vendor.asked(), "a registration")
    vendor.leave.set()
    assert len({answer.payload for answer in await asyncio.gather(*many)}) == 1
    assert vendor.asked() == ["POST /token", "POST /users", "GET /permissions"]


@pytest.fixture
def mortal(tmp_path: Path, odd_settings: dict[str, str], own_database: Database) -> Generator[Process]:
    process = start_gateway(tmp_path, odd_settings, own_database)
    yield process
    process.kill()


async def test_a_process_that_is_killed_before_the_registration(
    mortal: Process,
    own_database: Database,
    interface: type[Interface],
    client: httpx.AsyncClient,
    vendor: OddVendor,
    someone: Person,
) -> None:
    """The code is spent, and the tokens are lost with the process. The user starts again, and nothing is in the way."""
    odd = interface(client, mortal.origin)
    vendor.leave.clear()
    callback = await begin(odd, someone)
    asking = asyncio.create_task(odd.complete(someone.token, **callback))
    await until(lambda: "POST /users" in vendor.asked(), "a registration")
    mortal.kill()
    with pytest.raises(httpx.TransportError):
        await asking
    await own_database.fetch(f"UPDATE authorization_request SET lease_until = {PAST}")
    vendor.leave.set()
    vendor.status = "409 Conflict"
    mortal.start()
    assert (await odd.complete(someone.token, **callback)).code == "PROVIDER_UNAVAILABLE"
    assert vendor.asked() == ["POST /token", "POST /users"]
    assert (await odd.complete(someone.token, **await begin(odd, someone))).connection["status"] == "connected"
    assert (await stored(own_database, someone))[0] == vendor.account
