"""Compares the cost of operations through REST and through GraphQL, and measures start and memory of a worker.

The figures are CPU time of the server process, as the operating system counts it, in interleaved rounds, because the
machine may do other work: read the differences and ratios, not the absolute numbers. Linux only.

    .venv/bin/python -m benchmarks.interfaces [ROUNDS]
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from benchmarks import proc
from benchmarks.installing import prepare
from rest.routes import ROUTES
from tests.processes import Process, environment, free_port, tendon

CALLS = 400
HEADERS = {"Authorization": "Bearer dev:alice", "Content-Type": "application/json"}
SETTINGS = {"TENDON_AUTH": "dev", "TENDON_LOG_LEVEL": "WARNING", "TENDON_WORKER": "0"}
DOCUMENTS = {route.operation: route.document for route in ROUTES}
Call = Callable[[], tuple[int, bytes]]


class LocalGateway:
    """A gateway with its sandbox, and one persistent connection to it."""

    def __init__(self, folder: Path) -> None:
        assert tendon("migrate", cwd=folder, settings=SETTINGS).returncode == 0
        self.process = Process("serve", folder=folder, settings=SETTINGS, fresh=True)
        self.pid = self.process.pid
        self._connection = http.client.HTTPConnection("127.0.0.1", self.process.port)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        self._connection.request(method, path, None if body is None else json.dumps(body), HEADERS)
        response = self._connection.getresponse()
        return response.status, response.read()

    def redirect(self, url: str) -> str:
        parts = urlsplit(url)
        self._connection.request("GET", f"{parts.path}?{parts.query}&decision=approve")
        response = self._connection.getresponse()
        response.read()
        return response.headers["location"]

    def connect(self) -> dict[str, str]:
        """Connect once. Returns the callback, which can be sent again."""
        members = {"provider": "sandbox", "redirectUri": f"{self.process.origin}/connect"}
        url = json.loads(self.call("POST", "/v1/connections/authorize", members)[1])["url"]
        callback = members | dict(parse_qsl(urlsplit(self.redirect(url)).query))
        status, _ = self.call("POST", "/v1/connections/callback", callback)
        assert status == 201
        return callback


def pairs(gateway: LocalGateway) -> dict[str, tuple[Call, Call]]:
    """Each operation through REST and through GraphQL."""
    callback = gateway.connect()
    complete = {"query": DOCUMENTS["CompleteConnection"], "variables": {"input": callback}}
    listing = {"query": DOCUMENTS["ListConnections"], "variables": {"userId": "alice"}}
    return {
        "the same callback again": (
            lambda: gateway.call("POST", "/v1/connections/callback", callback),
            lambda: gateway.call("POST", "/graphql", complete),
        ),
        "a list of connections": (
            lambda: gateway.call("GET", "/v1/connections?userId=alice"),
            lambda: gateway.call("POST", "/graphql", listing),
        ),
    }


def cost(gateway: LocalGateway, call: Call) -> float:
    """Microseconds of the server's CPU time per call."""
    before = proc.cpu(gateway.pid)
    for _ in range(CALLS):
        status, body = call()
        assert status in (200, 201), body
        assert b'"alice"' in body
    return proc.spent(before, proc.cpu(gateway.pid)) / CALLS * 1e6


def compare(gateway: LocalGateway, rounds: int) -> None:
    for name, (rest, graphql) in pairs(gateway).items():
        for call in (rest, graphql):
            cost(gateway, call)
        measured = [(cost(gateway, rest), cost(gateway, graphql)) for _ in range(rounds)]
        by_rest, by_graphql = (statistics.median(column) for column in zip(*measured, strict=True))
        difference = statistics.median(rest - graphql for rest, graphql in measured)
        print(f"{name:24} REST {by_rest:6.0f} us  GraphQL {by_graphql:6.0f} us  REST - GraphQL {difference:+5.0f} us")


def starts(folder: Path, count: int = 5) -> None:
    costs = [_start(folder) for _ in range(count)]
    print(f"start to first answer    CPU {statistics.median(costs):.2f} s (lowest {min(costs):.2f} s)")


def _start(folder: Path) -> float:
    port = free_port()
    command = [str(Path(sys.executable).with_name("tendon")), "serve", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=folder, env=environment(**SETTINGS), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _until_answered(port)
        used = proc.spent({}, proc.cpu(process.pid))
        process.terminate()
        return used


def _until_answered(port: int) -> None:
    while not _answers(port):
        time.sleep(0.01)


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/openapi.json")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False


def main() -> None:
    prepare()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gateway = LocalGateway(folder)
        idle = proc.memory_mb(gateway.pid)
        compare(gateway, rounds)
        print(f"memory                   idle {idle:.0f} MB, after the calls {proc.memory_mb(gateway.pid):.0f} MB")
        gateway.process.stop()
        starts(folder)
    print(f"on {os.cpu_count()} cores, Python {sys.version.split()[0]}, {rounds} interleaved rounds of {CALLS} calls")


if __name__ == "__main__":
    main()
