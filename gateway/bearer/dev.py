"""Bearer tokens for a laptop: the token is the user's name. The gateway refuses this way off loopback."""

from __future__ import annotations

import re

from resolvers.caller import PLATFORM_SCOPES, SERVICE_SCOPES, Caller
from resolvers.errors import InvalidToken

_TOKEN = re.compile(r"(?P<kind>dev|dev-service):(?P<name>[A-Za-z0-9._@-]{1,64})")


class DevVerifier:
    """`dev:alice` is user alice with the platform's scopes, in the app "dev"; `dev-service:NAME` is a service with
    every scope."""

    async def verify(self, token: str) -> Caller:
        found = _TOKEN.fullmatch(token)
        if found is None:
            raise InvalidToken("not a dev token", hint="In dev, write dev:NAME.")
        if found["kind"] == "dev-service":
            return Caller(user=None, client_id=found["name"], scopes=PLATFORM_SCOPES | SERVICE_SCOPES)
        return Caller(user=found["name"], client_id="dev", scopes=PLATFORM_SCOPES)

    async def close(self) -> None:
        """Nothing is open."""
