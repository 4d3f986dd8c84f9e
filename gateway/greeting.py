"""What `tendon serve` says on a laptop: what to open, and a call that works as printed."""

from __future__ import annotations

from pathlib import Path


def greeting(origin: str) -> str:
    return f"""
  Tendon is up, with the sandbox provider and dev tokens (`Authorization: Bearer dev:alice`).

  Front page        {origin}/
  Connect by hand   {origin}/connect
  GraphiQL          {origin}/graphql
  OpenAPI           {origin}/openapi.json

  curl -s {origin}/v1/connections/authorize -H 'Authorization: Bearer dev:alice' \\
       -H 'Content-Type: application/json' \\
       -d '{{"provider":"sandbox","redirectUri":"{origin}/connect"}}'
"""


def sandbox_greeting(origin: str, written: Path | None) -> str:
    folder = f"  The catalogue is written to {written}, pointed here.\n" if written else ""
    return f"""
  The sandbox is up at {origin}, in the dialect of every provider of the catalogue.
{folder}  Where <SLUG>_CLIENT_ID and <SLUG>_CLIENT_SECRET are not set, they are `tendon` and `sandbox`.
"""
