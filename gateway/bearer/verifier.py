"""The interface that every way of verification has, and the one that chooses between two of them."""

from __future__ import annotations

import asyncio
from typing import Protocol

from gateway.bearer.compact import read_compact
from resolvers.caller import Caller


class Verifier(Protocol):
    """Says who a bearer token belongs to."""

    async def verify(self, token: str) -> Caller:
        """The caller behind `token`, which may be any string.

        Raises InvalidToken (401) when the token is not or no longer valid, ServiceUnavailable (503, with
        `retry_after` in seconds) when that can't be found out just now. Nothing else.
        """
        ...

    async def close(self) -> None:
        """Wait for the calls under way (each has a deadline), then close the connections."""
        ...


class EitherVerifier:
    """Tokens that are JWTs by their looks go to `jwt`, all else to `introspection`.

    The looks decide nothing but the way: three parts with dots between, the first a JSON header with `alg`.
    """

    def __init__(self, introspection: Verifier, jwt: Verifier) -> None:
        self._introspection = introspection
        self._jwt = jwt

    async def verify(self, token: str) -> Caller:
        way = self._introspection if read_compact(token) is None else self._jwt
        return await way.verify(token)

    async def close(self) -> None:
        await asyncio.gather(self._introspection.close(), self._jwt.close())
