"""A provider that answers as a test says, and its entries in the catalogue."""

from __future__ import annotations

import asyncio
import json
from asyncio import StreamWriter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from msgspec import structs

from providers.catalogue import Provider, read_entry
from tests.providers.entries import provider
from tests.wire.http.loopback import Asked, Loopback, Respond, answering, loopback

NUMBERS = count()
SITES = ("us", "eu", "lab")
Meanwhile = Callable[[], Awaitable[Any]]


class FakeProvider(AsyncExitStack):
    """Answers requests for tokens with the usual ones and `tokens`, or with `raw`, and others as the test says.

    What is in `meanwhile` for a path runs once, after the request and before the answer. While `leave` is not set, who
    asks for tokens is kept waiting. A revocation gets the next of `revoke_statuses`, if there is one, else
    `revoke_status`, and always `revoke_body`. `answers` has those of further paths.
    """

    def __init__(self) -> None:
        super().__init__()
        self.server = Loopback()
        self.status = "200 OK"
        self.headers: tuple[str, ...] = ()
        self.tokens: dict[str, Any] = {}
        self.raw: bytes | None = None
        self.account: Any = "sam"
        self.account_status = "200 OK"
        self.revoke_status = "200 OK"
        self.revoke_statuses: list[str] = []
        self.revoke_body = b"{}"
        self.answers: dict[str, Respond] = {
            "/permissions": answering(b'{"permissions": ["sleep"]}'),
            "/users": answering(b"{}"),
        }
        self.leave = asyncio.Event()
        self.leave.set()
        self.meanwhile: dict[str, Meanwhile] = {}
        self.issued: list[dict[str, Any]] = []

    async def start(self) -> None:
        """Listen, on the same port as before."""
        asked = self.server.asked
        self.server = await self.enter_async_context(loopback(self.respond, port=self.server.port))
        self.server.asked = asked

    async def stop(self) -> None:
        """Nobody listens any more."""
        await self.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def respond(self, asked: Asked, writer: StreamWriter) -> None:
        path = path_of(asked)
        for site in SITES:
            path = path.replace(f"/{site}/", "/", 1)
        if meanwhile := self.meanwhile.pop(path, None):
            await meanwhile()
        if path == "/token":
            await self.leave.wait()
            await self._answer_tokens(asked, writer)
        elif path == "/me":
            body = json.dumps({"id": self.account}).encode()
            await answering(body, status=self.account_status)(asked, writer)
        elif path in self.answers:
            await self.answers[path](asked, writer)
        else:
            status = self.revoke_statuses.pop(0) if self.revoke_statuses else self.revoke_status
            await answering(self.revoke_body, status=status)(asked, writer)

    async def _answer_tokens(self, asked: Asked, writer: StreamWriter) -> None:
        number = next(NUMBERS)
        usual = {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "expires_in": 3600}
        body = {name: value for name, value in (usual | self.tokens).items() if value is not None}
        self.issued.append(body)
        content = json.dumps(body).encode() if self.raw is None else self.raw
        await answering(content, status=self.status, headers=self.headers)(asked, writer)

    def asked(self, path: str = "/token") -> list[Asked]:
        return [asked for asked in self.server.asked if path_of(asked) == path]

    def refreshes(self) -> list[str]:
        """The refresh tokens that were sent, in order."""
        forms = [asked.form for asked in self.asked()]
        return [form["refresh_token"][0] for form in forms if form["grant_type"] == ["refresh_token"]]

    def exchanges(self, code: str) -> list[dict[str, list[str]]]:
        return [asked.form for asked in self.asked() if asked.form.get("code") == [code]]

    @property
    def last(self) -> tuple[str | None, str | None]:
        """The access token and the refresh token that it issued last."""
        return self.issued[-1]["access_token"], self.issued[-1].get("refresh_token")

    def refuse(self, error: str, status: str = "400 Bad Request", *headers: str) -> None:
        self.raw, self.status, self.headers = json.dumps({"error": error}).encode(), status, headers


def path_of(asked: Asked) -> str:
    return asked.line.split(" ")[1]


def regional(slug: str, origin: str, tables: str) -> Provider:
    """An entry with the sites `us` and `eu`, and `lab`, which is not offered."""
    text = f"""
slug = "{slug}"
name = "Regional"
docs = "https://acme.example/docs"
[variables]
region = "us"
[authorize]
url = "{origin}/{{region}}/authorize"
scopes = ["sleep"]
[token]
url = "{origin}/{{region}}/token"
account = "user"
[api]
base = "{origin}/{{region}}/api"
{tables}
[sites.us]
name = "United States"
[sites.eu]
name = "Europe"
variables = {{ region = "eu" }}
[sites.lab]
name = "Simulated users"
variables = {{ region = "lab" }}
offered = false
"""
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{slug}.toml"
        file.write_text(text, encoding="utf-8")
        return read_entry(file, variables={}, allow_private=True)


def entries(origin: str) -> dict[str, Provider]:
    """Two that differ in their slugs, and one of each kind that a test needs."""
    authorize = 'scopes = ["sleep", "offline"]'
    usual = provider(authorize=authorize, origin=origin)
    account = f'[account]\nurl = "{origin}/me"\nfield = "id"\n'
    with_account = provider(tables=account, origin=origin)
    revoking = f'[revoke]\nurl = "{origin}/revoke"\ntoken = "refresh_token"'
    granted = f'[granted]\nurl = "{origin}/permissions"\nfield = "permissions"\n'
    registering = f'[after_exchange]\nadapter = "polar"\nurl = "{origin}/users"\n'
    by_bearer = f'[revoke]\nmethod = "DELETE"\nurl = "{origin}/revoke"\nauth = "bearer"\nends = "account"'
    subscribed = (
        f'[registration]\nsecrets = ["key"]\n[api]\nbase = "{origin}/api"\n'
        'headers = { X-Key = "{key}", X-Client = "{client_id}/1" }'
    )
    in_url = f'[revoke]\nurl = "{origin}/revoke?access_token={{access_token}}"\nauth = "anonymous"'
    kinds = {
        "acme": usual,
        "other": usual,
        "account": with_account,
        "revoking": provider(tables=revoking, origin=origin),
        "ends-token": provider(token='account = "user"', tables=f'{revoking}\nends = "token"', origin=origin),
        "ends-grant": provider(token='account = "user"', tables=f'{revoking}\nends = "grant"', origin=origin),
        "in-url": provider(token='account = "user"', tables=in_url, origin=origin),
        "by-bearer": provider(token='account = "user"', tables=by_bearer, origin=origin),
        "both": provider(token='account = "user"', tables=account, origin=origin),
        "pending-token": provider(tables=f'{account}{revoking}\nends = "token"', origin=origin),
        "pending-grant": provider(authorize=authorize, tables=f'{account}{revoking}\nends = "grant"', origin=origin),
        "reusable": provider(token='refresh = "reusable"', origin=origin),
        "grace": provider(token="refresh_grace = 10", origin=origin),
        "extending": provider(token='refresh = "extending"\nsuccess = { field = "status", equals = 0 }', origin=origin),
        "ahead": provider(token="refresh_ahead = true", tables=f'[api]\nbase = "{origin}/api"', origin=origin),
        "subscribed": provider(tables=subscribed, origin=origin),
        "naming": provider(token='account = "user"', origin=origin),
        "without-pkce": provider(authorize='pkce = "none"', origin=origin),
        "issuing": provider(authorize=f'iss = "{origin}"', origin=origin),
        "granting": provider(authorize=authorize, token='account = "user"', tables=granted, origin=origin),
        "granting-both": provider(
            authorize=authorize, token='account = "user"', tables=f"{account}{granted}", origin=origin
        ),
        "registering": provider(
            token='account = "user"', tables=f'{registering}{revoking}\nends = "account"', origin=origin
        ),
        "registering-only": provider(token='account = "user"', tables=registering, origin=origin),
        "state-only": provider(authorize='denied = "state_only"', origin=origin),
        "comma": provider(authorize='scopes = ["a", "b", "c"]\nscope_separator = ","', origin=origin),
        "prefix": provider(authorize='scopes = ["a", "b", "c"]', token='scope_prefix = "x:"', origin=origin),
        "dot": provider(authorize='scopes = ["a", "b", "c"]\nscope_separator = "."', origin=origin),
    }
    by_region = f'[revoke]\nurl = "{origin}/{{region}}/revoke"\ntoken = "refresh_token"\nends = '
    with_sites = {
        "regional": f'{by_region}"grant"',
        "regional-token": f'{by_region}"token"',
        "regional-account": f'[account]\nurl = "{origin}/{{region}}/me"\nfield = "id"\n{by_region}"grant"',
    }
    found = {slug: structs.replace(entry, slug=slug) for slug, entry in kinds.items()}
    return found | {slug: regional(slug, origin, tables) for slug, tables in with_sites.items()}
