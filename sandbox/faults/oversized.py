"""Faults that send more than a client should accept."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from functools import cache

from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp

from sandbox.endpoint_request import EndpointRequest, Fault
from sandbox.fault_plan import PlannedFault

_MIB = 1024 * 1024
_JSON = "application/json"
_OPENING = b'{"token_type":"Bearer","access_token":"'


async def huge(_request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
    return StreamingResponse(_endless(), media_type=_JSON)


async def gzip_bomb(_request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
    body = await asyncio.to_thread(_bomb)
    return Response(body, headers={"Content-Encoding": "gzip"}, media_type=_JSON)


async def deep_json(_request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
    depth = 100_000
    return Response(b'{"access_token":"deep","more":' + b"[" * depth + b"]" * depth + b"}", media_type=_JSON)


async def big_headers(_request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
    headers = {f"X-Filler-{number}": "x" * 8192 for number in range(128)}
    return Response(b'{"access_token":"big","token_type":"Bearer"}', headers=headers, media_type=_JSON)


async def _endless() -> AsyncIterator[bytes]:
    yield _OPENING
    chunk = b"x" * (_MIB // 16)
    for _ in range(16 * 1024):
        yield chunk
        # Once the client has disconnected, sending no longer waits; this lets the server notice.
        await asyncio.sleep(0)
    yield b'"}'


@cache
def _bomb() -> bytes:
    """256 MiB of one letter in a JSON string, as gzip (RFC 1952); computed when it is first needed.

    After a full flush nothing refers back, so one compressed MiB can be repeated 256 times, which is fast.
    """
    filler, times, ending = b"x" * _MIB, 256, b'"}'
    packer = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    opening, packed = (packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH) for part in (_OPENING, filler))
    checksum = zlib.crc32(_OPENING)
    for part in [*[filler] * times, ending]:
        checksum = zlib.crc32(part, checksum)
    size = len(_OPENING) + len(filler) * times + len(ending)
    header, trailer = b"\x1f\x8b\x08" + bytes(6) + b"\xff", struct.pack("<II", checksum, size)
    return header + opening + packed * times + packer.compress(ending) + packer.flush() + trailer


FAULTS: dict[str, Fault] = {"huge": huge, "gzip_bomb": gzip_bomb, "deep_json": deep_json, "big_headers": big_headers}
