"""What can be observed of a serving process from outside: workers, log, responses, and whether it has ended."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import httpx

from tests.processes import Process
from tests.waiting import PATIENCE, until


def workers(process: Process) -> list[int]:
    """Every worker that was ever started, in order."""
    return [line["pid"] for line in process.logged("worker.started")]


async def serving(process: Process, count: int) -> None:
    """Waits until that many processes have started to listen."""
    await until(lambda: len(process.logged("listening")) >= count, f"{count} listening")


async def draining(process: Process, count: int) -> None:
    await until(lambda: len(process.logged("draining")) >= count, f"{count} draining")


def is_gone(pid: int) -> bool:
    """Whether it has ended, even if its parent has not waited for it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def refuses(port: int) -> bool:
    """Whether nothing listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


async def get(origin: str, path: str) -> httpx.Response:
    """On a connection of its own, without a token."""
    # To read the certificates of authorities for every client would take most of the time.
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=PATIENCE) as client:
        return await client.get(origin + path)


async def readiness(origin: str) -> tuple[int, list[str]]:
    response = await get(origin, "/readyz")
    return response.status_code, response.json().get("reasons", [])


async def becomes(origin: str, *reasons: str) -> None:
    """Waits until readiness has this reason; none means ready."""
    expected = (503 if reasons else 200, list(reasons))

    async def is_so() -> bool:
        with suppress(httpx.TransportError):
            return await readiness(origin) == expected
        return False

    await until(is_so, f"readiness {expected}")


class Line:
    """A plain connection, on which the test decides what is sent when."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        head = (await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode()
        status, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return int(status.split()[1]), headers, await self._reader.readexactly(int(headers["content-length"]))

    async def ended(self) -> bool:
        """Waits until the server closes the connection."""
        with suppress(ConnectionResetError):
            return await asyncio.wait_for(self._reader.read(), PATIENCE) == b""
        return True

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class HasPort(Protocol):
    port: int


class Lines:
    """The connections of a test, which are closed together."""

    def __init__(self) -> None:
        self._open: list[Line] = []

    async def to(self, process: HasPort) -> Line:
        self._open.append(Line(*await asyncio.open_connection("127.0.0.1", process.port)))
        return self._open[-1]

    async def close(self) -> None:
        for line in self._open:
            await line.close()


def request(method: str, path: str, body: bytes = b"", **headers: Any) -> bytes:
    named = {"Host": "tendon", "Content-Type": "application/json", "Content-Length": len(body), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body
