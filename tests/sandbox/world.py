"""A sandbox on a real server, and an app that uses it without any of Tendon's code."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
import time
import tomllib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlsplit

import httpx
import uvicorn
from starlette.types import ASGIApp

from sandbox.app import Client, create_app
from sandbox.dialect import read_dialects, rebase
from tests.sandbox.entries import ENTRIES

REDIRECT_URI = "http://localhost:9/callback"
NOTHING: Mapping[str, str | None] = MappingProxyType({})
SUBSCRIPTION_KEY = "sandbox-subscription_key"
SECRET = "s3cret:%+ é"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def application() -> ASGIApp:
    """The sandbox with all entries, each with its own client, whose id is the slug."""
    dialects = [dialect for text in ENTRIES.values() for dialect in read_dialects(tomllib.loads(text))]
    redirect_uris = (REDIRECT_URI, "com.example.app:/done?from=sandbox")
    return create_app(dialects, {slug: Client(slug, SECRET, redirect_uris) for slug in ENTRIES})


@contextmanager
def serve(app: ASGIApp, http: Any = "auto") -> Generator[str]:
    """The URL of a uvicorn server that runs the app in a thread."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=http, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@dataclass(frozen=True)
class World:
    """`base` is the sandbox's URL; redirects are never followed. A provider is given by its slug, and, if it has sites,
    by slug and site: `dexcom/us`."""

    base: str
    http: httpx.Client

    def control(self, method: str, name: str, instruction: Any = None) -> Any:
        answer = self.http.request(method, f"{self.base}/_control/{name}", json=instruction)
        assert answer.status_code in (200, 204), answer.text
        return answer.json() if answer.content else None

    def calls(self, **filters: str) -> list[dict[str, Any]]:
        return self.http.get(f"{self.base}/_control/calls", params=filters).json()

    def set(self, slug: str = "sandbox", **settings: Any) -> None:
        self.control("PUT", "settings", {"slug": slug, **settings})

    def families(self, **filters: str) -> list[dict[str, Any]]:
        """Those of all grants that match, oldest first."""
        grants = self.http.get(f"{self.base}/_control/grants", params=filters).json()
        return [family for grant in grants for family in grant["families"]]

    def states(self, kind: str) -> list[str]:
        return [token["state"] for token in self.control("GET", "tokens") if token["kind"] == kind]

    def fault(self, name: str, slug: str = "sandbox", endpoint: str = "token", **more: Any) -> None:
        self.control("POST", "faults", {"slug": slug, "endpoint": endpoint, "fault": name, **more})

    def entry(self, key: str) -> dict[str, Any]:
        slug, _, site = key.partition("/")
        text = rebase(ENTRIES[slug], self.base)
        entry = tomllib.loads(text)
        if site:
            values = entry["variables"] | entry["sites"][site]["variables"]
            for name, value in values.items():
                text = text.replace(f"{{{name}}}", value)
        return tomllib.loads(text)

    def authorization_request(self, slug: str, **changes: str | None) -> dict[str, str]:
        """A valid authorization request; a change to None removes the parameter."""
        authorize = self.entry(slug)["authorize"]
        request: dict[str, str | None] = {
            "response_type": "code",
            "client_id": slug.partition("/")[0],
            "redirect_uri": REDIRECT_URI,
            "state": "the-state",
            "scope": authorize.get("scope_separator", " ").join(authorize.get("scopes", [])) or None,
            **authorize.get("params", {}),
        }
        if authorize.get("pkce", "S256") == "S256":
            request |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        return {name: value for name, value in {**request, **changes}.items() if value is not None}

    def authorize(self, slug: str, **changes: str | None) -> httpx.Response:
        request = self.authorization_request(slug, **changes)
        page, _, routed = self.entry(slug)["authorize"]["url"].partition("#/")
        own = dict(parse_qsl(urlsplit(page).query)) | dict(parse_qsl(routed.removeprefix("?")))
        return self.http.get(page.partition("?")[0], params={**own, **request})

    def approve(self, slug: str, **changes: str | None) -> dict[str, str]:
        """The parameters of the redirect after approval."""
        return redirected(self.authorize(slug, decision="approve", **changes))

    def token(self, slug: str, headers: Mapping[str, str | None] = NOTHING, /, **form: str | None) -> httpx.Response:
        """A token request with valid client authentication, unless `form` changes it. `headers` are other ones than
        those of the entry."""
        token = self.entry(slug)["token"]
        complete = {**token.get("params", {}), **self._client_in_body(slug), **form}
        refreshes = form.get("grant_type") == "refresh_token"
        url = token.get("refresh_url", token["url"]) if refreshes else token["url"]
        fields = _present({**self.headers(slug, "token"), **headers})
        return self.http.post(url, data=_present(complete), headers=self.authorization(slug) | fields)

    def redeem(self, slug: str, code: str, /, **changes: str | None) -> httpx.Response:
        form: dict[str, str | None] = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
        if self.entry(slug)["authorize"].get("pkce", "S256") == "S256":
            form["code_verifier"] = VERIFIER
        return self.token(slug, **{**form, **changes})

    def refresh(self, slug: str, refresh_token: str, /, **changes: str | None) -> httpx.Response:
        return self.token(slug, **{"grant_type": "refresh_token", "refresh_token": refresh_token, **changes})

    def connect(self, slug: str, **changes: str | None) -> dict[str, Any]:
        """The token object of a complete, approved flow."""
        answer = self.redeem(slug, self.approve(slug, **changes)["code"])
        assert answer.status_code == 200, answer.text
        root = self.entry(slug)["token"].get("root")
        return answer.json()[root] if root else answer.json()

    def account(self, slug: str, access_token: str) -> httpx.Response:
        return self.ask(slug, "account", access_token)

    def ask(self, slug: str, table: str, access_token: str, **changes: str | None) -> httpx.Response:
        """The call that the table describes. `changes` are other header fields."""
        call = self.entry(slug).get(table, {})
        url = call.get("url", f"{self.base}/{slug}/{table}")
        headers = {**self.headers(slug, table), "Authorization": f"Bearer {access_token}", **changes}
        return self.http.request(call.get("method", "GET"), url, data=call.get("form"), headers=_present(headers))

    def api(
        self, slug: str, access_token: str, resource: str = "steps", changes: Mapping[str, str | None] = NOTHING
    ) -> httpx.Response:
        base = self.base if slug == "sandbox" else f"{self.base}/{slug}"
        headers = {**self.headers(slug, "api"), "Authorization": f"Bearer {access_token}", **changes}
        return self.http.get(f"{base}/api/{resource}", headers=_present(headers))

    def register(self, slug: str, access_token: str, member: Any = "someone") -> httpx.Response:
        headers, url = {"Authorization": f"Bearer {access_token}"}, self.entry(slug)["after_exchange"]["url"]
        return self.http.post(url, json={"member-id": member}, headers=headers)

    def revoke(self, slug: str, token: str, account: str = "sam") -> httpx.Response:
        rule, client_id = self.entry(slug)["revoke"], slug.partition("/")[0]
        known = {"account": account, "access_token": token, "refresh_token": token, "client_id": client_id}

        def filled(text: str) -> str:
            for name, value in known.items():
                text = text.replace(f"{{{name}}}", value)
            return text

        form = {name: filled(value) for name, value in rule.get("params", {}).items()}
        headers = {name: filled(value) for name, value in rule.get("headers", {}).items()}
        if rule["auth"] == "bearer":
            headers["Authorization"] = f"Bearer {token}"
        else:
            form |= {"token": token} if "token" in rule else {}
            form |= _present(self._client_in_body(slug, rule["auth"]))
            headers |= {"Authorization": basic(client_id, SECRET)} if rule["auth"] == "client_secret_basic" else {}
        return self.http.request(rule.get("method", "POST"), filled(rule["url"]), data=form or None, headers=headers)

    def authorization(self, slug: str) -> dict[str, str]:
        client_id, token = slug.partition("/")[0], self.entry(slug)["token"]
        in_header = token.get("auth", "client_secret_basic") == "client_secret_basic"
        return {"Authorization": basic(client_id, SECRET)} if in_header else {}

    def headers(self, slug: str, table: str) -> dict[str, str]:
        """The header fields of a call, with the client's id and the further secrets."""
        known = {"{client_id}": slug.partition("/")[0], "{subscription_key}": SUBSCRIPTION_KEY}
        headers = dict(self.entry(slug).get(table, {}).get("headers", {}))
        for name, value in known.items():
            headers = {key: text.replace(name, value) for key, text in headers.items()}
        return headers

    def _client_in_body(self, slug: str, auth: str | None = None) -> dict[str, str | None]:
        client_id = slug.partition("/")[0]
        match auth or self.entry(slug)["token"]["auth"]:
            case "client_secret_post":
                return {"client_id": client_id, "client_secret": SECRET}
            case "none":
                return {"client_id": client_id}
            case _:
                return {}


def basic(client_id: str, client_secret: str) -> str:
    """RFC 6749 2.3.1."""
    return f"Basic {base64.b64encode(f'{quote_plus(client_id)}:{quote_plus(client_secret)}'.encode()).decode()}"


def redirected(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 302, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query, keep_blank_values=True))


def refused(answer: httpx.Response, error: str, status: int = 400) -> bool:
    return (answer.status_code, answer.json()["error"]) == (status, error)


def _present(form: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in form.items() if value is not None}
