"""What `tendon serve` says on a laptop: what to open, and a call that works as printed."""

from __future__ import annotations


def greeting(origin: str) -> str:
    return f"""
  Tendon is up, with the sandbox provider and dev tokens (`Authorization: Bearer dev:alice`).

  Connect by hand   {origin}/connect
  GraphiQL          {origin}/graphql
  OpenAPI           {origin}/openapi.json

  curl -s {origin}/v1/connections/authorize -H 'Authorization: Bearer dev:alice' \\
       -H 'Content-Type: application/json' \\
       -d '{{"provider":"sandbox","redirectUri":"{origin}/connect"}}'
"""
