"""Counts a server's sessions by its processes, because it may have no session left for anybody who asks."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from tests.failover.pair import ROLE
from tests.postgres import PostgresServer

_PAUSE = 0.05
# A session whose client has closed the connection ends within milliseconds, unless the machine is very busy.
_LASTING = 1.0
_ENOUGH = 5


class Watch:
    """From `start` to `stop`, of several servers. `most` is the largest number that one server ever had, and `lasting`
    the largest that it had for a second: sessions that are about to end don't count."""

    def __init__(self, servers: list[PostgresServer]) -> None:
        self.most = 0
        self.lasting = 0
        self._servers = servers
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._seen: dict[int, deque[tuple[float, int]]] = {server.port: deque() for server in servers}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_PAUSE):
            for server in self._servers:
                self._note(self._seen[server.port], sessions(server))

    def _note(self, seen: deque[tuple[float, int]], number: int) -> None:
        now = time.monotonic()
        seen.append((now, number))
        self.most = max(self.most, number)
        if seen[0][0] > now - _LASTING:
            return
        while seen[1][0] <= now - _LASTING:
            seen.popleft()
        if len(seen) >= _ENOUGH:
            self.lasting = max(self.lasting, min(counted for _, counted in seen))


def sessions(server: PostgresServer) -> int:
    """How many of the server's processes serve Tendon's role, or have just been asked to."""
    return sum(_title(pid).startswith(f"postgres: {ROLE} ") for pid in server.processes[1:])


def _title(pid: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    return ""
