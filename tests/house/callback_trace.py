"""Runs a gateway with its sandbox, completes callbacks, and records which functions of Tendon one of them passes.

`python callback_trace.py PORT FILE` writes a JSON list of [file, function] pairs, in the order of the calls. The
current directory must have a migrated database. A coroutine that is resumed counts as a call. Only the event loop's
thread is recorded, and neither the sandbox nor the pages are.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
import time
from itertools import count
from pathlib import Path
from traceback import print_exc
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from gateway.cli import main
from tendon_cli import PACKAGES

ROOT = f"{Path(__file__).parents[2]}/"
RECORDED = tuple(f"{ROOT}{package}/" for package in PACKAGES if package not in {"sandbox", "web"})
# The first callbacks open the connection to the provider and fill caches.
WARM_UP = 2
# The one with the fewest calls counts: on a machine that is busy, time-outs and second tries add some.
RECORDINGS = 3
# The server calls this after the response and all that follows it, such as logging the request.
LAST = "Connection.connection_lost"


class Recorder:
    """A profiler, which records while it is `on`."""

    def __init__(self) -> None:
        self.on = False
        self.calls: list[tuple[str, str]] = []

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if self.on and event == "call":
            code = frame.f_code
            if code.co_filename.startswith(RECORDED):
                self.calls.append((code.co_filename.removeprefix(ROOT), code.co_qualname))


class Client:
    """Sends each request in one piece and on its own connection, so that every run has the same calls."""

    def __init__(self, port: int, recorder: Recorder) -> None:
        self._address = ("127.0.0.1", port)
        self._recorder = recorder
        self._redirect_uri = f"http://127.0.0.1:{port}/connect"
        self._users = count(1)
        self._user = ""

    def flow(self) -> list[tuple[str, str]]:
        """The calls of a new user's callback, after all that comes before it."""
        self._user = f"user-{next(self._users)}"
        members = {"provider": "sandbox", "redirectUri": self._redirect_uri}
        answer = self._send("POST", "/v1/connections/authorize", members)
        url = urlsplit(json.loads(answer.partition("\r\n\r\n")[2])["url"])
        answer = self._send("GET", f"{url.path}?{url.query}&decision=approve")
        redirect = re.search(r"\nlocation: (\S+)", answer)
        assert redirect, answer
        callback = members | dict(parse_qsl(urlsplit(redirect[1]).query))
        self._recorder.calls, self._recorder.on = [], True
        answer = self._send("POST", "/v1/connections/callback", callback)
        assert answer.startswith("HTTP/1.1 201 "), answer
        self._await_the_last_call()
        self._recorder.on = False
        return self._recorder.calls

    def _await_the_last_call(self) -> None:
        end = time.monotonic() + 30
        while not any(function == LAST for _, function in self._recorder.calls):
            assert time.monotonic() < end, f"{LAST} was not called"
            time.sleep(0.002)

    def wait(self) -> None:
        """Until the gateway listens."""
        for _ in range(1000):
            try:
                socket.create_connection(self._address, timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return

    def _send(self, method: str, target: str, members: dict[str, str] | None = None) -> str:
        body = json.dumps(members) if members else ""
        head = (
            f"{method} {target} HTTP/1.1",
            "Host: 127.0.0.1",
            "Connection: close",
            f"Authorization: Bearer dev:{self._user}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        )
        with socket.create_connection(self._address, timeout=10) as connection:
            connection.sendall("\r\n".join([*head, "", body]).encode())
            return connection.makefile("rb").read().decode()


def drive(recorder: Recorder, port: int, file: Path) -> None:
    """Ends the process."""
    try:
        client = Client(port, recorder)
        client.wait()
        flows = [client.flow() for _ in range(WARM_UP + RECORDINGS)]
        file.write_text(json.dumps(min(flows[WARM_UP:], key=len)), encoding="utf-8")
    except BaseException:  # noqa: BLE001 - or the gateway would go on
        print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    port, file = sys.argv[1:]
    recorder = Recorder()
    threading.Thread(target=drive, args=(recorder, int(port), Path(file)), daemon=True).start()
    sys.setprofile(recorder)
    sys.argv[1:] = ["serve", "--port", port]
    main()
