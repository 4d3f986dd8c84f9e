"""A restart behind HAProxy, configured as in docs/operating.md: clients do not notice it."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import dedent

import httpx

from tests.conftest import Person, begin
from tests.interfaces import Rest
from tests.processes import Process, free_port
from tests.sandbox_control import Sandbox
from tests.serving.conftest import Serve
from tests.serving.serving import becomes
from tests.serving.test_clients import program
from tests.waiting import until

(RECIPE,) = re.findall(r"```haproxy\n(.*?)```", Path("docs/operating.md").read_text(encoding="utf-8"), re.DOTALL)


@contextmanager
def haproxy(folder: Path, first: Process, second: Process, *, console: Path | None = None) -> Generator[str]:
    """HAProxy in front of both gateways; yields its origin. `console` is a socket on which it can be asked."""
    port = free_port()
    recipe = dedent(RECIPE)
    for address, process in (("10.0.0.1:8000", first), ("10.0.0.2:8000", second)):
        assert address in recipe
        recipe = recipe.replace(address, f"127.0.0.1:{process.port}")
    frontend = f"\nfrontend callers\n    bind 127.0.0.1:{port}\n    default_backend tendon\n"
    asked = f"global\n    stats socket {console}\n" if console else ""
    (folder / "haproxy.cfg").write_text(asked + recipe + frontend, encoding="utf-8")
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen(
            [program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")], stdout=log, stderr=log
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


class Callers:
    """New flows, each by another user, until they are told to stop. `flows` counts them, and `failures` are the answers
    that were no success."""

    def __init__(self, api: Rest, sandbox: Sandbox, someone: Person) -> None:
        self._api, self._sandbox, self._someone = api, sandbox, someone
        self._over = asyncio.Event()
        self._callers = [asyncio.create_task(self._call(number)) for number in range(4)]
        self.flows = 0
        self.failures: list[str] = []

    async def stop(self) -> None:
        self._over.set()
        await asyncio.gather(*self._callers)

    async def _call(self, number: int) -> None:
        while not self._over.is_set():
            person = Person(f"{self._someone.id}-{number}-{self.flows}")
            try:
                callback = await begin(self._api, self._sandbox, person)
                answer = await self._api.complete(person.token, **callback)
            except (AssertionError, httpx.HTTPError, LookupError, TypeError, ValueError) as fault:
                self.failures.append(repr(fault))
            else:
                self.failures += [] if answer.code is None else [answer.code]
            self.flows += 1
            await asyncio.sleep(0.05)


async def test_a_restart_behind_haproxy(
    serve: Serve, tmp_path: Path, sandbox: Sandbox, client: httpx.AsyncClient, someone: Person
) -> None:
    first, second = serve(), serve()
    with haproxy(tmp_path, first, second) as origin:
        await _answers(client, origin)
        callers = Callers(Rest(client, origin), sandbox, someone)
        first.tell(signal.SIGTERM)
        assert await asyncio.to_thread(first.wait) == 0
        await asyncio.to_thread(first.start)
        await becomes(first.origin)
        # Until the next probe has noticed it.
        await asyncio.sleep(2.5)
        await callers.stop()
    assert callers.failures == []
    assert callers.flows > 20


async def _answers(client: httpx.AsyncClient, origin: str) -> None:
    async def is_so() -> bool:
        with suppress(httpx.TransportError):
            return (await client.get(f"{origin}/livez")).status_code == 200
        return False

    await until(is_so, "HAProxy")
