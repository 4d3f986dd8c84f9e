"""One HTTP exchange with a provider: one deadline for all of it, a cap on what comes back, and only safe errors."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Final

import httpx

from wire.deadline import Timeout
from wire.http.connection import Departure
from wire.http.connector import trusted
from wire.http.errors import RequestFailed, TimedOut, TransportFailure, Unreachable, UnreadableResponse
from wire.http.request import FIELDS, Request
from wire.http.resolution import PublicAddresses, as_written
from wire.http.response import Response, decoded, is_failure
from wire.http.transport import CAP, ProviderTransport
from wire.waiting import waiting

_PAUSE: Final = 0.2
"""Seconds before a refused connection is tried again: a provider that restarts a process is back by then."""


class ProviderClient(httpx.AsyncClient):
    """The one client that all requests share; to be closed with `aclose`. Keeps nothing between them but connections.

    `timeout` is seconds for one request that goes through httpx. `send` goes straight to the transport.
    """

    def __init__(self, transport: ProviderTransport, *, timeout: float) -> None:
        super().__init__(transport=transport, headers=FIELDS, timeout=timeout, follow_redirects=False, trust_env=False)
        self.transport = transport


def open_client(*, allow_private: bool, timeout: float) -> ProviderClient:
    """`timeout` is seconds, for connecting a third of it so that a second address gets its turn; `send` bounds the
    whole. Outside `allow_private` only https to public addresses is possible."""
    # At INFO it would log URLs.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    resolve = as_written if allow_private else PublicAddresses()
    transport = ProviderTransport(resolve, trusted(), https_only=not allow_private, patience=timeout / 3)
    return ProviderClient(transport, timeout=timeout)


async def send(
    client: ProviderClient, request: Request, *, deadline: float, latest: float = math.inf, cap: int = CAP
) -> Response:
    """Send the request and return the answer, whatever its status. Redirects are not followed and nothing is retried.

    `deadline` is a time of the running loop and covers everything from connecting to the last byte. After a standstill
    of this process it is extended, up to `latest`, so that an answer that has arrived is read. `cap` limits the body,
    in bytes. An error answer is returned whatever its body: one that is too large, incomplete or can't be decoded is
    left out. Raises TransportFailure, and UnreadableResponse for such a body in any other answer.
    """
    if asyncio.get_running_loop().time() >= deadline:
        raise TimedOut(sent=False)
    departure = Departure()
    limit = Timeout(deadline, latest=latest)
    try:
        async with limit:
            with waiting():
                incoming = await client.transport.exchange(request, departure, cap=cap)
        return Response(incoming.status, decoded(incoming, cap), departure.at, incoming.fields)
    except TimeoutError:
        return _without_body(TimedOut(sent=departure.begun, stood_still=limit.stood_still), departure)
    except (TransportFailure, UnreadableResponse) as fault:
        return _without_body(fault, departure)


def _without_body(fault: RequestFailed, departure: Departure) -> Response:
    """What the head says, if it says that this is an error. Raises `fault` otherwise."""
    incoming = departure.incoming
    if incoming is None or not incoming.has_head or not is_failure(incoming.status):
        raise fault from None
    overdue = isinstance(fault, TimedOut) and not fault.stood_still
    return Response(incoming.status, b"", departure.at, incoming.fields, overdue=overdue)


async def send_patiently(
    client: ProviderClient, request: Request, *, deadline: float, latest: float = math.inf
) -> Response:
    """`send`, and once more after a refused connection, for nothing had left; never after anything else."""
    try:
        return await send(client, request, deadline=deadline, latest=latest)
    except Unreachable:
        if asyncio.get_running_loop().time() + _PAUSE >= deadline:
            raise
    with waiting():
        await asyncio.sleep(_PAUSE)
    return await send(client, request, deadline=deadline, latest=latest)
