"""Programs that serve an app of their own as `tendon serve` does, for situations that no setting produces."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.processes import environment, log_lines

# `opening` runs in the lifespan, `before` before everything; the drain never ends where `endless` is true.
_PROGRAM = """
import asyncio, resource, signal, socket
from pathlib import Path
from gateway import logs
from gateway.server import run
from gateway.supervisor import supervise

port, workers, grace, endless = {port}, {workers}, {grace}, {endless}
folder = Path.cwd()
{before}

async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    {opening}
    while True:
        await send({{"type": (await receive())["type"] + ".complete"}})

async def drain():
    if endless:
        await asyncio.Event().wait()

logs.set_up("INFO")
if workers == 1:
    run(app, "127.0.0.1", port, drain=drain, grace=grace)
else:
    limits = {{"grace": grace, "ready_within": {ready_within}, "hand_over": {hand_over}}}
    supervise(app, "127.0.0.1", port, workers=workers, drain=drain, **limits)
"""


class Program:
    """Starts at once. Its output goes to a file."""

    def __init__(
        self,
        folder: Path,
        port: int,
        workers: int = 1,
        *,
        grace: float = 30,
        endless: bool = False,
        before: str = "",
        opening: str = "pass",
        ready_within: float = 30,
        hand_over: float = 10,
    ) -> None:
        self.port = port
        self._log = folder / "program.log"
        text = _PROGRAM.format(
            port=port,
            workers=workers,
            grace=grace,
            endless=endless,
            before=before,
            opening=opening,
            ready_within=ready_within,
            hand_over=hand_over,
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", text], cwd=folder, env=environment(), stdout=log, stderr=log
            )

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def logged(self, event: str) -> list[dict[str, Any]]:
        return log_lines(self.said, event)

    def tell(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Returns the exit status."""
        try:
            return self._process.wait(timeout=60)
        finally:
            self._process.kill()
            self._process.wait()
