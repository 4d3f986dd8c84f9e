"""The message that `tendon serve` and `tendon sandbox` print in dev mode: URLs to open, and an example call."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from gateway.settings import Settings


def greeting(settings: Settings, origin: str, redirect_uris: Sequence[str]) -> str:
    """Lists the pages that are served. The example call is included if a redirect URI without a wildcard is allowed."""
    pages = [("Front page", "/"), ("Connect page", "/connect")] if settings.with_connect_page else []
    pages += [("GraphiQL", "/graphql")] if settings.explorer else []
    pages += [("OpenAPI", "/openapi.json")]
    pages += [("Sandbox", "/sandbox/connections")] if settings.with_sandbox else []
    lines = "\n".join(f"  {name:<16}  {origin}{path}" for name, path in pages)
    exact = next((uri for uri in redirect_uris if "*" not in uri), None)
    return f"""
  Tendon is running, with the sandbox provider and dev tokens (`Authorization: Bearer dev:alice`).

{lines}
{_call(origin, exact) if exact else ""}"""


def _call(origin: str, redirect_uri: str) -> str:
    body = json.dumps({"provider": "sandbox", "redirectUri": redirect_uri}, separators=(",", ":"))
    return f"""
  curl -s {origin}/v1/connections/authorize -H 'Authorization: Bearer dev:alice' \\
       -H 'Content-Type: application/json' \\
       -d {shlex.quote(body)}
"""


def sandbox_greeting(origin: str, written: Path | None) -> str:
    folder = f"  The catalogue was written to {written}, with the URLs of this sandbox.\n" if written else ""
    return f"""
  The sandbox is running at {origin} and imitates every provider in the catalogue.
  Apps with access: {origin}/connections, and {origin}/SLUG/connections for each provider
  It redirects users to TENDON_REDIRECT_URIS, to each --redirect-uri, and to /connect on any port of this machine.
{folder}  Where <SLUG>_CLIENT_ID and <SLUG>_CLIENT_SECRET are not set, they are `tendon` and `sandbox`.
  A gateway uses it with TENDON_SANDBOX=0 SANDBOX_ORIGIN={origin}, SANDBOX_CLIENT_ID and SANDBOX_CLIENT_SECRET.
"""
