"""A server on this machine for the redirect from the provider, and for the sandbox."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from html import escape
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Route

_LONGEST_LINE: Final = 16 * 1024

Redirects = asyncio.Queue[Mapping[str, str]]
"""The parameters of each redirect that has arrived."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Ctrl-C ends the command as it ends any other."""
        yield


@asynccontextmanager
async def serving(listener: socket.socket, path: str, others: list[BaseRoute]) -> AsyncGenerator[Redirects]:
    """Serves the redirect's `path`, and `others`, on a socket that listens."""
    redirects: Redirects = asyncio.Queue()

    async def received(request: Request) -> HTMLResponse:
        redirects.put_nowait(dict(request.query_params))
        return _page("The provider has sent you back. Look at the terminal; you can close this page.")

    app = Starlette(routes=[Route(path, received), *others])
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, server_header=False)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield redirects
    finally:
        server.should_exit = True
        server.force_exit = True
        with suppress(asyncio.CancelledError):
            await task


def bound(port: int) -> socket.socket:
    """A socket that listens on this machine's loopback address. Raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        # Connections wait from now on, so that a browser may come before the server has started.
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def typed_lines() -> asyncio.Queue[str]:
    """What is typed from now on, line by line. A thread of its own reads it, as there is no other way to read files of
    every kind; it doesn't read through `sys.stdin`, whose lock it would hold when the process exits."""
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        with suppress(OSError, RuntimeError):  # standard input, or the loop, was closed
            while line := os.read(0, _LONGEST_LINE):
                loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace").strip())

    threading.Thread(target=read, daemon=True).start()
    return lines


def _page(text: str) -> HTMLResponse:
    body = f"<!doctype html><meta charset=utf-8><title>tendon providers try</title><p>{escape(text)}"
    return HTMLResponse(body, headers={"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"})
