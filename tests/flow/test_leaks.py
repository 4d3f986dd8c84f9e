"""No secret leaves: canaries in every code, state, verifier, token and secret, searched for in all that Tendon wrote
and said, in every way it could have been written."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest

from models.connection import token_field
from models.vault import SealedField, Vault, VaultError, read_keys
from tests.conftest import SECRET, Person, begin, start_gateway
from tests.interfaces import GraphQL, Interface, Rest, bearer
from tests.processes import Process
from tests.sandbox_control import Sandbox

FAULTS = ["error_echo", "error_code_echo", "lost", "html", "duplicate_keys", "wrong_types", "big_headers"]


def spellings(secret: str) -> set[bytes]:
    plain = secret.encode()
    written = {plain, quote(secret, safe="").encode(), quote_plus(secret).encode(), plain.hex().encode()}
    # Base64 at each of the three offsets that a longer text could put it, without the ends that mix with neighbours.
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain)
        written |= {encoded[4:-4], encoded[4:-4].translate(bytes.maketrans(b"+/", b"-_"))}
    return {spelling for spelling in written if len(spelling) >= 8}


def test_the_search_finds_what_it_looks_for() -> None:
    haystack = b"x" + base64.b64encode(b"code=canary-0123456789abcdef&state=1")
    assert any(spelling in haystack for spelling in spellings("canary-0123456789abcdef"))


@pytest.fixture
def watched(tmp_path: Path, settings: dict[str, str]) -> Generator[Process]:
    process = start_gateway(tmp_path, settings)
    yield process
    process.kill()


async def test_no_canary_in_logs_answers_or_database(
    watched: Process, sandbox: Sandbox, client: httpx.AsyncClient, someone: Person
) -> None:
    secrets, answers = {SECRET}, bytearray()
    for interface in (Rest(client, watched.origin), GraphQL(client, watched.origin)):
        for fault in [None, *FAULTS]:
            callback = await begin(interface, sandbox, someone)
            if fault:
                await sandbox.fault("sandbox", fault)
            secrets |= {callback["code"], callback["state"]}
            answers += (await interface.complete(someone.token, **callback)).payload
        answers += await _mistakes(interface, someone, await begin(interface, sandbox, someone))
    calls = await sandbox.calls("sandbox", "token")
    secrets |= {call["form"]["code_verifier"] for call in calls if call["code"] in secrets}
    secrets |= {token["value"] for token in await sandbox.tokens()}
    assert watched.stop() == 0
    written = {path.name: path.read_bytes() for path in watched.folder.rglob("*") if path.is_file()}
    assert {"serve.log", "tendon.db"} <= written.keys()
    for secret in secrets:
        for spelling in spellings(secret):
            assert spelling not in answers
            for name, content in written.items():
                assert spelling not in content, name


async def _mistakes(interface: Interface, person: Person, callback: dict[str, str]) -> bytes:
    """What clients do wrong with secrets in hand. The answers must not hold them either."""
    code, state = callback["code"], callback["state"]
    headers = bearer(person.token)
    graphql = f"{interface.origin}/graphql"
    mutation = 'mutation { completeConnection(input: {provider: "sandbox", code: %s}) { connection { id } } }'
    said = [
        await interface._client.post(graphql, json={"query": mutation % f'"{code}"'}, headers=headers),
        await interface._client.post(
            graphql, json={"query": mutation % f'["{code}", {{a: "{state}"}}]'}, headers=headers
        ),
        await interface._client.post(graphql, json={"query": f'{{ "{code}" }}'}, headers=headers),
        await interface._client.post(graphql, json={"query": "{ x }", "variables": {"code": code}}, headers=headers),
        await interface._client.post(graphql, content=f'{{"query": "{code}', headers=headers),
        await interface._client.get(graphql, params={"query": "{ providers { slug } }", "code": code}, headers=headers),
        await interface._client.get(f"{interface.origin}/connect", params=callback),
        await interface._client.get(f"{interface.origin}/v1/{code}", headers=headers),
        await interface._client.get(f"{interface.origin}/v1/connections", headers=bearer(code)),
        await interface._client.get(f"{interface.origin}/v1/connections", headers={"Authorization": code}),
    ]
    wrong: list[dict[str, Any]] = [
        {"code": [code]},
        {"state": {"x": state}},
        {"provider": code},
        {"redirectUri": state},
        {"iss": code},
    ]
    said += [await _answer(interface, person, callback | members) for members in wrong]
    return b"\n".join(response.content for response in said)


async def _answer(interface: Interface, person: Person, members: dict[str, Any]) -> httpx.Response:
    if isinstance(interface, Rest):
        url, body = f"{interface.origin}/v1/connections/callback", members
    else:
        mutation = (
            "mutation($input: CompleteConnectionInput!) { completeConnection(input: $input) { connection { id } } }"
        )
        url, body = f"{interface.origin}/graphql", {"query": mutation, "variables": {"input": members}}
    return await interface._client.post(url, json=body, headers=bearer(person.token))


async def test_the_stored_tokens_are_the_providers_and_sealed(
    watched: Process, sandbox: Sandbox, client: httpx.AsyncClient, someone: Person
) -> None:
    api = Rest(client, watched.origin)
    await api.complete(someone.token, **await begin(api, sandbox, someone))
    watched.stop()
    database = sqlite3.connect(watched.folder / ".tendon" / "tendon.db")
    sealed = database.execute("SELECT access_token, refresh_token FROM connection").fetchone()
    database.close()
    vault = Vault(read_keys((watched.folder / ".tendon" / "vault.keys").read_text()))
    field = token_field(someone.id, "sandbox", 1, "access_token")
    assert await sandbox.accepts(vault.open(sealed[0], **field))
    for elsewhere in (
        token_field(someone.id, "sandbox", 1, "refresh_token"),
        token_field("another", "sandbox", 1, "access_token"),
        token_field(someone.id, "another", 1, "access_token"),
        token_field(someone.id, "sandbox", 2, "access_token"),
        SealedField(table="connection", row=(someone.id, "sandbox", "site", "1"), column="access_token"),
        SealedField(table="authorization_request", row=field["row"], column="access_token"),
    ):
        with pytest.raises(VaultError):
            vault.open(sealed[0], **elsewhere)


def test_files_are_for_their_owner_only(watched: Process) -> None:
    watched.kill()
    for name in (".tendon", ".tendon/tendon.db", ".tendon/vault.keys"):
        assert (watched.folder / name).stat().st_mode & 0o077 == 0, name
