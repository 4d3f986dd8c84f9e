"""How the floor is served: by uvicorn's protocol, with Tendon's cycle in place of uvicorn's, which takes more steps."""

from __future__ import annotations

from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.http11.protocol import Cycle


class Protocol(HttpToolsProtocol):
    """For requests as the benchmark sends them: none is pipelined, upgrades, or has a percent-encoded path."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._run: Any = named["config"].loaded_app

    def on_headers_complete(self) -> None:
        scope: Any = self.scope
        parser: Any = self.parser
        target = httptools.parse_url(self.url)
        scope["method"] = parser.get_method().decode()
        scope["path"] = target.path.decode()
        scope["query_string"] = target.query or b""
        keeps = parser.should_keep_alive()
        self._cycle = Cycle(
            scope, self.transport, self.flow, self.server_state, self.on_response_complete, keeps, False
        )
        self.cycle: Any = self._cycle
        self._start_asgi_task(self.cycle, self._run)

    def on_body(self, body: bytes) -> None:
        self._cycle.body += body

    def on_message_complete(self) -> None:
        self._cycle.more_body = False
        self._cycle.message_event.set()
