"""A value that was edited in the database does not open, and causes a stable error before the provider is called."""

from __future__ import annotations

import httpx
import pytest

from models.connection import token_field
from models.vault import Vault, VaultError, read_keys
from tests.conftest import Person, begin
from tests.databases import Database
from tests.interfaces import Interface, Rest
from tests.processes import Process, log_lines
from tests.sandbox_control import Sandbox

ELSEWHERE = "http://127.0.0.1:7777/done"


@pytest.mark.parametrize(
    "edited", ["user", "provider", "redirect URI", "verifier", "no verifier", "the verifier of another"]
)
async def test_a_request_that_was_edited(
    api: Interface,
    sandbox: Sandbox,
    someone: Person,
    another: Person,
    shared_database: Database,
    gateway: Process,
    edited: str,
) -> None:
    """It matches the callback, but still fails, permanently."""
    callback, person = await begin(api, sandbox, someone), someone
    change, value = "", ""
    match edited:
        case "user":
            change, value, person = "user_id = $1", another.id, another
        case "provider":
            await begin(api, sandbox, another, "fitbit")
            others = "SELECT registration FROM authorization_request WHERE user_id = $1"
            change = f"provider = 'fitbit', registration = ({others})"
            value, callback = another.id, callback | {"provider": "fitbit"}
            del callback["iss"]
        case "redirect URI":
            change, value, callback = "redirect_uri = $1", ELSEWHERE, callback | {"redirectUri": ELSEWHERE}
        case "verifier":
            value = b"no seal"
            change = "verifier = $1"
        case "no verifier":
            change, value, person = "user_id = $1, verifier = NULL", another.id, another
        case _:
            await begin(api, sandbox, another)
            change = "verifier = (SELECT verifier FROM authorization_request WHERE user_id = $1)"
            value = another.id
    await shared_database.fetch(f"UPDATE authorization_request SET {change} WHERE user_id = $2", value, someone.id)
    said = len(gateway.said)
    for _ in range(2):
        assert (await api.complete(person.token, **callback)).code == "INVALID_STATE"
    assert await sandbox.exchanges(callback["code"]) == []
    written = gateway.said[said:]
    assert "vault.failed" in written
    assert log_lines(written, "fault") == []
    assert "Traceback" not in written


async def test_a_request_that_was_completed_and_put_back(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    """Its verifier is gone, so nothing shows whose it was, and its code is not sent again."""
    callback = await begin(api, sandbox, someone)
    assert (await api.complete(someone.token, **callback)).connection["status"] == "connected"
    put_back = "UPDATE authorization_request SET status = 'pending', code_hash = NULL WHERE user_id = $1"
    await shared_database.fetch(put_back, someone.id)
    assert (await api.complete(someone.token, **callback)).code == "INVALID_STATE"
    assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_an_older_token_that_is_put_back(
    client: httpx.AsyncClient, gateway: Process, sandbox: Sandbox, someone: Person, shared_database: Database
) -> None:
    api = Rest(client, gateway.origin)
    vault = Vault(read_keys((gateway.folder / ".tendon" / "vault.keys").read_text()))
    tokens = "SELECT access_token, version FROM connection WHERE user_id = $1"
    for expected in (1, 2):
        await api.complete(someone.token, **await begin(api, sandbox, someone))
        ((sealed, version),) = await shared_database.fetch(tokens, someone.id)
        assert version == expected
        field = token_field(someone.id, "sandbox", version, "access_token")
        assert await sandbox.accepts(vault.open(bytes(sealed), **field))
        with pytest.raises(VaultError):
            vault.open(bytes(sealed), **token_field(someone.id, "sandbox", version - 1, "access_token"))


async def test_a_status_that_this_version_does_not_know(
    api: Interface, sandbox: Sandbox, someone: Person, shared_database: Database, gateway: Process
) -> None:
    """A newer version may have written it. That is no mistake of the caller's, who isn't told of it."""
    await api.complete(someone.token, **await begin(api, sandbox, someone))
    await shared_database.fetch("UPDATE connection SET status = 'CANARY' WHERE user_id = $1", someone.id)
    said = len(gateway.said)
    listed = await api.connections(someone.token, userId=someone.id)
    assert listed.code == "INTERNAL_ERROR"
    written = gateway.said[said:]
    assert len(log_lines(written, "fault")) == 1
    assert "CANARY" not in written
