from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from benchmarks import workload
from benchmarks.load_generator import Job, Result, run
from benchmarks.workload import GRAPHQL, REST

_UUID = "01a2b3c4-0000-7000-8000-000000000000"
_CONNECTION = (
    '{"id":"%s","userId":"%s","providerId":"%s","providerSlug":"bench","status":"connected",'
    '"lastSyncAt":null,"createdAt":"2026-01-01T09:30:15.123Z"}'
)
_MESSAGE = "HTTP/1.1 %d -\r\nContent-Length: %d\r\n%s\r\n%s"

Answer = Callable[[int], tuple[int, str, str]]
"""Status, header fields and body of the response to the request with that number."""


def completed(number: int) -> tuple[int, str, str]:
    return 201, "", '{"connection":%s}' % (_CONNECTION % (_UUID, workload.user(number), _UUID))


async def results(answer: Answer, interface: str = REST, last: int = 6) -> Result:
    """Of a generator that sends callbacks to a server with these answers, two at a time."""
    request = workload.request("callback", interface)
    numbers = {request(number): number for number in range(last)}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                status, fields, body = answer(numbers[head + await reader.readexactly(length)])
                writer.write((_MESSAGE % (status, len(body), fields, body)).encode())
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await run(Job(port, "callback", interface, 0, last, 60.0, width=2))


async def test_right_responses_are_counted() -> None:
    result = await results(completed)
    assert (result.answered, result.next, result.wrong, result.repeat) == (6, 6, 0, [])


@pytest.mark.parametrize(
    ("interface", "status", "fields", "body"),
    [
        (REST, 503, "Retry-After: 1\r\n", '{"error":"service_unavailable"}'),
        (REST, 500, "Retry-After: 5\r\n", '{"error":"provider_unavailable"}'),
        (GRAPHQL, 200, "", '{"errors":[{"extensions":{"code":"SERVICE_UNAVAILABLE","retryAfter":1}}]}'),
    ],
)
async def test_a_request_to_repeat_is_neither_right_nor_wrong_and_ends_the_turn(
    interface: str, status: int, fields: str, body: str
) -> None:
    result = await results(lambda _: (status, fields, body), interface)
    assert (result.answered, result.wrong) == (0, 0)
    assert result.repeat == [0, 1]
    assert result.next == 2


@pytest.mark.parametrize(
    ("status", "fields", "body"),
    [
        (503, "", '{"error":"service_unavailable"}'),
        (429, "Retry-After: 1\r\n", '{"error":"rate_limited"}'),
        (500, "", '{"error":"internal_error"}'),
        (201, "", completed(7)[2]),
    ],
)
async def test_any_other_response_is_wrong(status: int, fields: str, body: str) -> None:
    result = await results(lambda number: (status, fields, body) if number == 3 else completed(number))
    assert (result.answered, result.wrong, result.repeat) == (5, 1, [])
