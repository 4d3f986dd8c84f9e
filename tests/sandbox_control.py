"""Controls the sandbox and reads its log, which shows what the provider really received."""

from __future__ import annotations

import base64
import hashlib
import math
from itertools import combinations
from typing import Any

import httpx

from tests.waiting import until


def token_id(value: str) -> str:
    """The id of a token in the sandbox's log and lists."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]


def overlapping(calls: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """The numbers of each two calls that sent the same token and that clients waited for at the same time."""
    return [
        (first["seq"], second["seq"])
        for first, second in combinations(calls, 2)
        if first["sent"] == second["sent"] and second["time"] < _end(first) and first["time"] < _end(second)
    ]


def _end(call: dict[str, Any]) -> float:
    """When the client had its answer or hung up; a call that is still open has no end."""
    return call["hung_up_at"] or call["closed_at"] or math.inf


def in_query(url: str) -> str:
    """The URL with the parameters in its query that a page of the provider would read after `#/`."""
    page, _, routed = url.partition("#/")
    query = routed.partition("?")[2]
    return f"{page}{'&' if '?' in page else '?'}{query}" if query else page


class Sandbox:
    """`origin` is its URL. Its log and faults are shared, so tests look only at the calls with their own code."""

    def __init__(self, client: httpx.AsyncClient, origin: str) -> None:
        self._client = client
        self.origin = origin

    async def exchanges(self, code: str) -> list[dict[str, Any]]:
        """The token requests for `code`, in order."""
        return await self._calls(endpoint="token", code=code)

    async def asked(self, code: str) -> None:
        """Waits until the token endpoint has been asked with `code`."""

        async def is_so() -> bool:
            return bool(await self.exchanges(code))

        await until(is_so, "the exchange")

    async def calls(self, slug: str, endpoint: str) -> list[dict[str, Any]]:
        return await self._calls(slug=slug, endpoint=endpoint)

    async def refreshes(self, account: str, slug: str = "sandbox") -> list[dict[str, Any]]:
        """The refreshes of the grants of that account, in order."""
        return await self._calls(slug=slug, endpoint="token", grant_type="refresh_token", account=account)

    async def families(self, account: str, slug: str = "sandbox") -> list[dict[str, Any]]:
        """What was granted to Tendon for that account, oldest first: whether it has `ended`, and valid tokens' ids."""
        grants = (
            await self._client.get(f"{self.origin}/_control/grants", params={"slug": slug, "account": account})
        ).json()
        return [family for grant in grants for family in grant["families"]]

    async def end(self, account: str, slug: str = "sandbox") -> None:
        """The user ends Tendon's access at the provider."""
        await self._send("POST", "grants/end", {"slug": slug, "account": account})

    async def fault(self, slug: str, name: str, *, endpoint: str = "token", **more: Any) -> None:
        """The next request to the endpoint gets the fault. `more` limits it to an `account` or a `grant_type`, and has
        `times`, `skip` and `seconds`."""
        await self._send("POST", "faults", {"slug": slug, "endpoint": endpoint, "fault": name, **more})

    async def release(self, **wanted: Any) -> int:
        """Lets the calls go on that a fault `held` or `held_answer` holds. Returns how many there were."""
        return (await self._send("POST", "release", wanted)).json()["released"]

    async def answer(self, slug: str, body: str | bytes, *, endpoint: str = "token", **more: Any) -> None:
        """The next request to the endpoint gets exactly this answer, with a `status` and `headers` in `more`."""
        content = {"base64": base64.b64encode(body).decode()} if isinstance(body, bytes) else {"body": body}
        await self._send("POST", "faults", {"slug": slug, "endpoint": endpoint, "answer": content | more})

    async def settings(self, slug: str, **changes: Any) -> None:
        """How the provider behaves from now on; with `account`, how it treats that one."""
        await self._send("PUT", "settings", {"slug": slug, **changes})

    async def accepts(self, access_token: str) -> bool:
        response = await self._send("POST", "accepts", {"access_token": access_token})
        return bool(response.json()["accepts"])

    async def tokens(self) -> list[dict[str, Any]]:
        return (await self._client.get(f"{self.origin}/_control/tokens")).json()

    async def approve(self, url: str, decision: str = "approve", **more: str) -> dict[str, str]:
        """Act as the user at the provider. Returns the parameters of the redirect."""
        url = in_query(url)
        response = await self._client.get(url, params={**httpx.URL(url).params, "decision": decision, **more})
        assert response.status_code == 302, response.text
        return dict(httpx.URL(response.headers["location"]).params)

    async def _calls(self, **wanted: str) -> list[dict[str, Any]]:
        return (await self._client.get(f"{self.origin}/_control/calls", params=wanted)).json()

    async def _send(self, method: str, name: str, body: dict[str, Any]) -> httpx.Response:
        response = await self._client.request(method, f"{self.origin}/_control/{name}", json=body)
        assert response.is_success, response.text
        return response
