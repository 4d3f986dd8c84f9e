"""A sandbox on a real server, and an app that uses it without any of Tendon's code."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
import time
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlsplit

import httpx
import uvicorn
from starlette.types import ASGIApp

from sandbox.app import Client, create_app
from sandbox.dialect import Dialect, rebase
from tests.sandbox.entries import ENTRIES

REDIRECT_URI = "http://localhost:9/callback"
SECRET = "s3cret:%+ é"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def application() -> ASGIApp:
    """The sandbox with all entries, each with its own client, whose id is the slug."""
    dialects = [Dialect.read(tomllib.loads(text)) for text in ENTRIES.values()]
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
    """`base` is the sandbox's URL; redirects are never followed."""

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

    def entry(self, slug: str) -> dict[str, Any]:
        return tomllib.loads(rebase(ENTRIES[slug], self.base))

    def authorization_request(self, slug: str, **changes: str | None) -> dict[str, str]:
        """A valid authorization request; a change to None removes the parameter."""
        authorize = self.entry(slug)["authorize"]
        request: dict[str, str | None] = {
            "response_type": "code",
            "client_id": slug,
            "redirect_uri": REDIRECT_URI,
            "state": "the-state",
            "scope": authorize.get("scope_separator", " ").join(authorize.get("scopes", [])) or None,
        }
        if authorize.get("pkce", "S256") == "S256":
            request |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        return {name: value for name, value in {**request, **changes}.items() if value is not None}

    def authorize(self, slug: str, **changes: str | None) -> httpx.Response:
        request = self.authorization_request(slug, **changes)
        return self.http.get(self.entry(slug)["authorize"]["url"], params=request)

    def approve(self, slug: str, **changes: str | None) -> dict[str, str]:
        """The parameters of the redirect after approval."""
        return redirected(self.authorize(slug, decision="approve", **changes))

    def token(self, slug: str, **form: str | None) -> httpx.Response:
        """A token request with valid client authentication, unless `form` changes it."""
        token = self.entry(slug)["token"]
        complete = {**token.get("params", {}), **self._client_in_body(slug), **form}
        refreshes = form.get("grant_type") == "refresh_token"
        url = token.get("refresh_url", token["url"]) if refreshes else token["url"]
        return self.http.post(url, data=_present(complete), headers=self.authorization(slug))

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
        path = self.entry(slug).get("account", {}).get("url", f"{self.base}/{slug}/account")
        return self.http.get(path, headers={"Authorization": f"Bearer {access_token}"})

    def api(self, slug: str, access_token: str, resource: str = "steps") -> httpx.Response:
        base = self.base if slug == "sandbox" else f"{self.base}/{slug}"
        return self.http.get(f"{base}/api/{resource}", headers={"Authorization": f"Bearer {access_token}"})

    def revoke(self, slug: str, token: str, account: str = "sam") -> httpx.Response:
        rule = self.entry(slug)["revoke"]
        method, url = rule.get("method", "POST"), rule["url"].replace("{account}", account)
        if rule["auth"] == "bearer":
            return self.http.request(method, url, headers={"Authorization": f"Bearer {token}"})
        params = {name: value.replace("{account}", account) for name, value in rule.get("params", {}).items()}
        form = {**params, **(self._client_in_body(slug) if rule["auth"] != "none" else {})}
        return self.http.request(method, url, data=_present({**form, "token": token}), headers=self.authorization(slug))

    def authorization(self, slug: str) -> dict[str, str]:
        if self.entry(slug)["token"].get("auth") != "client_secret_basic":
            return {}
        return {"Authorization": basic(slug, SECRET)}

    def _client_in_body(self, slug: str) -> dict[str, str | None]:
        match self.entry(slug)["token"]["auth"]:
            case "client_secret_post":
                return {"client_id": slug, "client_secret": SECRET}
            case "none":
                return {"client_id": slug}
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
