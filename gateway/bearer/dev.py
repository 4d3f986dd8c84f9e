"""Bearer tokens for a laptop: the token is the user's name. The gateway refuses this way off loopback."""

from __future__ import annotations

import re

from resolvers.caller import READ, WRITE, Caller
from resolvers.errors import InvalidToken

_TOKEN = re.compile(r"dev:(?P<user>[A-Za-z0-9._@-]{1,64})")


class DevVerifier:
    """`dev:alice` is user alice with both scopes, in the app "dev"."""

    async def verify(self, token: str) -> Caller:
        found = _TOKEN.fullmatch(token)
        if found is None:
            raise InvalidToken("no dev token")
        return Caller(user=found["user"], client_id="dev", scopes=frozenset({READ, WRITE}))

    async def close(self) -> None:
        """Nothing is open."""
