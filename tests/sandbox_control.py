"""Controls the sandbox and reads its log, which shows what the provider really received."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from tests.waiting import until


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

    async def fault(self, slug: str, name: str, *, endpoint: str = "token", seconds: float | None = None) -> None:
        """The next request to the endpoint gets the fault."""
        plan: dict[str, Any] = {"slug": slug, "endpoint": endpoint, "fault": name}
        await self._send("POST", "faults", plan | ({} if seconds is None else {"seconds": seconds}))

    async def answer(self, slug: str, body: str | bytes, *, endpoint: str = "token", **more: Any) -> None:
        """The next request to the endpoint gets exactly this answer, with a `status` and `headers` in `more`."""
        content = {"base64": base64.b64encode(body).decode()} if isinstance(body, bytes) else {"body": body}
        await self._send("POST", "faults", {"slug": slug, "endpoint": endpoint, "answer": content | more})

    async def settings(self, slug: str, **changes: Any) -> None:
        await self._send("PUT", "settings", {"slug": slug, **changes})

    async def accepts(self, access_token: str) -> bool:
        response = await self._send("POST", "accepts", {"access_token": access_token})
        return bool(response.json()["accepts"])

    async def tokens(self) -> list[dict[str, Any]]:
        return (await self._client.get(f"{self.origin}/_control/tokens")).json()

    async def approve(self, url: str, decision: str = "approve", **more: str) -> dict[str, str]:
        """Act as the user at the provider. Returns the parameters of the redirect."""
        response = await self._client.get(url, params={**httpx.URL(url).params, "decision": decision, **more})
        assert response.status_code == 302, response.text
        return dict(httpx.URL(response.headers["location"]).params)

    async def _calls(self, **wanted: str) -> list[dict[str, Any]]:
        return (await self._client.get(f"{self.origin}/_control/calls", params=wanted)).json()

    async def _send(self, method: str, name: str, body: dict[str, Any]) -> httpx.Response:
        response = await self._client.request(method, f"{self.origin}/_control/{name}", json=body)
        assert response.is_success, response.text
        return response
