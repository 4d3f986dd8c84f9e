"""The environment for contenders: the provider, an engine with a template database, and each contender's process with
its own database."""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import proc, workload
from benchmarks.contenders import Contender
from benchmarks.databases import Database, Engine
from benchmarks.installing import ROOT
from benchmarks.load_generator import GeneratorEnded, Job, LoadGenerator, Result
from benchmarks.seeding import listed_slugs, seed_lists, seed_requests
from benchmarks.statements import statements
from models.vault import Vault
from providers.catalogue import read_catalogue, read_credentials
from providers.entry.provider import provider_id
from resolvers.context import Registration
from tests.processes import environment, free_port, tendon

POOL = 10
"""Connections to PostgreSQL; Tendon's default."""

_KEY_ID = "bench"

PATIENCE = 60.0
"""The longest time in seconds that a contender may take to start, or for one turn."""

# Seconds between two requests to a contender that starts: a hundredth of the shortest start.
_PAUSE = 0.002

# How often a callback is repeated that asks for it, and after how many seconds.
_REPEATS = 10
_REPEAT_AFTER = 2.0


class WrongAnswer(Exception):
    """A contender did the wrong work, so the measurements mean nothing."""


class Disturbed(WrongAnswer):
    """A contender said to send requests again, because the machine stood still for too long. Its work is right as far
    as it goes, but a measurement at that time means nothing."""


class Provider:
    """The process of the token endpoint, and its catalogue entry."""

    def __init__(self, folder: Path, *, refresh_ahead: bool = False) -> None:
        self.port = free_port()
        self._tokens = "refresh_ahead = true\n" if refresh_ahead else ""
        command = [sys.executable, "-m", "benchmarks.provider_stub", str(self.port)]
        self._process = subprocess.Popen(command, cwd=ROOT)
        self.key = os.urandom(32)
        self.vault = Vault({_KEY_ID: self.key})
        self.settings = self._write(folder / "catalogue")
        known = read_catalogue(folder / "catalogue", variables=self.settings, allow_private=True)[workload.SLUG]
        credentials = read_credentials(known, self.settings)
        assert credentials
        self.registration = Registration(known, credentials).fingerprint
        self.origin = f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Until it answers."""
        _until(lambda: self.exchanged() == 0, "the provider")

    def exchanged(self) -> int:
        """The number of codes that it has exchanged."""
        return int(_get(self.port, "/")[1])

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _write(self, catalogue: Path) -> dict[str, str]:
        """Write the catalogue entry. Returns the settings of a gateway with this provider."""
        catalogue.mkdir(parents=True, exist_ok=True)
        origin, scopes = f"http://127.0.0.1:{self.port}", json.dumps(list(workload.SCOPES))
        (catalogue / f"{workload.SLUG}.toml").write_text(
            f'slug = "{workload.SLUG}"\nname = "Bench"\ndocs = "https://bench.example/docs"\n'
            f'[authorize]\nurl = "{origin}/authorize"\nscopes = {scopes}\n'
            f'[token]\nurl = "{origin}/token"\n{self._tokens}'
        )
        return {
            "TENDON_AUTH": "dev",
            "TENDON_WORKER": "0",
            "TENDON_SANDBOX": "0",
            "TENDON_CATALOGUE": str(catalogue),
            "TENDON_REDIRECT_URIS": workload.REDIRECT_URI,
            "TENDON_VAULT_KEYS": f"{_KEY_ID}:{base64.b64encode(self.key).decode()}",
            "BENCH_CLIENT_ID": workload.CLIENT_ID,
            "BENCH_CLIENT_SECRET": workload.CLIENT_SECRET,
        }


class Testbed:
    """One engine. Its template database is migrated and has, for each of `lists`, users with that many connections."""

    def __init__(
        self, engine: Engine, provider: Provider, generator: LoadGenerator, folder: Path, lists: Iterable[int]
    ) -> None:
        self.engine = engine
        self.provider = provider
        self.generator = generator
        self.folder = folder
        self._template = self.engine.create(f"{folder.name}-template")
        settings = provider.settings | {"TENDON_DATABASE_URL": self._template.url}
        migrated = tendon("migrate", cwd=self.folder, settings=settings)
        if migrated.returncode:
            raise RuntimeError(migrated.stderr)
        for listed in lists:
            seed_lists(self._template, provider.vault, listed)

    def database(self, name: str) -> Database:
        return self.engine.create(name, self._template)

    def work(self, database: Database) -> dict[str, Any]:
        """The description of the work for a peer; see `peers/work.py`."""
        origin, slugs = self.provider.origin, [workload.SLUG, *listed_slugs()]
        return {
            "engine": self.engine.name,
            "database": database.location,
            "pool": POOL,
            "slug": workload.SLUG,
            "provider_id": str(provider_id(workload.SLUG)),
            "authorize_url": f"{origin}/authorize",
            "token_url": f"{origin}/token",
            "client_id": workload.CLIENT_ID,
            "client_secret": workload.CLIENT_SECRET,
            "redirect_uri": workload.REDIRECT_URI,
            "registration": self.provider.registration,
            "scopes": list(workload.SCOPES),
            "key_id": _KEY_ID,
            "key": self.provider.key.hex(),
            "users": {f"dev:{name}": name for name in workload.everybody()},
            "provider_ids": {slug: str(provider_id(slug)) for slug in slugs},
            "statements": statements(self.engine.name),
        }


@contextmanager
def open_testbed(
    engine: Engine, folder: Path, lists: Iterable[int] = (workload.LISTED,), name: str = "testbed"
) -> Generator[Testbed]:
    """A testbed, whose provider and generator end with the block. An engine may have several with different names."""
    with ExitStack() as stack:
        folder = folder / engine.name / name
        provider = Provider(folder)
        stack.callback(provider.close)
        provider.wait()
        generator = LoadGenerator()
        stack.callback(generator.close)
        yield Testbed(engine, provider, generator, folder, lists)


@dataclass(frozen=True)
class Cost:
    """CPU microseconds per request: `cpu` of the contender's processes, `engine_cpu` of the database server's."""

    result: Result
    cpu: float
    engine_cpu: float


class Runner:
    """A contender in a testbed, on the given cores. `completed` and `authorized` count its successful responses;
    `undecided` counts those to an authorize that don't tell whether it took effect. `patience` is how many seconds it
    may take to start."""

    def __init__(
        self, contender: Contender, testbed: Testbed, cores: set[int] = proc.SERVER, *, patience: float = PATIENCE
    ) -> None:
        self.contender = contender
        self._cores = cores
        self._patience = patience
        self.testbed = testbed
        self.database = testbed.database(contender.name)
        self.completed = self.authorized = self.undecided = self.exchanged = 0
        self._due = self._seeded = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._settings = self._set_up()
        self._log = testbed.folder / f"{contender.name}.log"

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> float:
        """Returns the seconds until its first 200, to the precision of `_PAUSE`. Requests come from another core."""
        self.port = free_port()
        command = [part.replace("{port}", str(self.port)) for part in self.contender.command]
        settings = self._settings | {"PORT": str(self.port)}
        began = time.perf_counter()
        with proc.pinned(self._cores), self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment(**settings), stdout=log, stderr=log)
        _until(self._ready, self.contender.name, self._log, self._process, self._patience)
        return time.perf_counter() - began

    def stop(self) -> None:
        """Does nothing if it was never started."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)

    def cost(self, operation: str, interface: str, seconds: float, count: int | None = None, **how: Any) -> Cost:
        """The result of `load`, with the CPU time that it took."""
        before = proc.cpu(self.pid), self.testbed.engine.cpu()
        result = self.load(operation, interface, seconds, count, **how)
        after = proc.cpu(self.pid), self.testbed.engine.cpu()
        spent = (proc.spent(*readings) / max(result.answered, 1) * 1e6 for readings in zip(before, after, strict=True))
        return Cost(result, *spent)

    def load(self, operation: str, interface: str, seconds: float, count: int | None = None, **how: Any) -> Result:
        """Send requests, at most `count`. `how` are further members of Job. Raises WrongAnswer, which is Disturbed if
        the same can be done again."""
        first, last = (self._due, self._seeded) if operation == "callback" else (0, 1 << 30)
        last = last if count is None else min(last, first + count)
        before = self.testbed.provider.exchanged()
        result = self._send(Job(self.port, operation, interface, first, last, seconds, **how))
        if operation == "callback":
            self._due = result.next
            for number in result.repeat:
                self._repeat(Job(self.port, operation, interface, number, number + 1, seconds, width=1))
        self.exchanged += self.testbed.provider.exchanged() - before
        if result.repeat:
            self.undecided += len(result.repeat) if operation == "authorize" else 0
            asked = f"{self.contender.name} asked to repeat {len(result.repeat)} of {result.next - first} requests"
            raise Disturbed(f"{asked} ({operation} by {interface})")
        return result

    def _send(self, job: Job) -> Result:
        try:
            result = self.testbed.generator.load(job)
        except GeneratorEnded as fault:
            raise WrongAnswer(f"{self.contender.name}: {fault}") from fault
        if result.wrong:
            said = self._log.read_text(errors="replace")[-2000:]
            raise WrongAnswer(f"{self.contender.name}, {job}: {result.wrong} wrong, {result.shown}\n{said}")
        if job.operation == "callback":
            self.completed += result.answered
        elif job.operation == "authorize":
            self.authorized += result.answered
        return result

    def _repeat(self, callback: Job) -> None:
        """Send a callback until it succeeds, so that it is known what the database must have."""
        for _ in range(_REPEATS):
            time.sleep(_REPEAT_AFTER)
            if self._send(callback).answered:
                return
        raise WrongAnswer(f"{self.contender.name} never completed {callback}")

    def seed(self, count: int) -> None:
        """Prepare callbacks, so that at least `count` can be sent."""
        last = self._due + count
        if last > self._seeded:
            provider = self.testbed.provider
            seed_requests(self.database, provider.vault, provider.registration, self._seeded, last)
            self._seeded = last

    def _set_up(self) -> dict[str, str]:
        if self.contender.ours:
            own = {"TENDON_DATABASE_URL": self.database.url}
            return self.testbed.provider.settings | own | self.contender.settings
        path = self.testbed.folder / f"{self.contender.name}.json"
        path.write_text(json.dumps(self.testbed.work(self.database)))
        return self.contender.settings | {"BENCH_WORK": str(path)}

    def _ready(self) -> bool:
        return _get(self.port, self.contender.ready)[0] == http.HTTPStatus.OK


def _get(port: int, path: str) -> tuple[int, bytes]:
    """Status 0 if the connection fails."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError:
        return 0, b"-1"
    finally:
        connection.close()


def _until(
    ready: Any,
    who: str,
    log: Path | None = None,
    process: subprocess.Popen[bytes] | None = None,
    patience: float = PATIENCE,
) -> None:
    end = time.monotonic() + patience
    while not ready():
        if time.monotonic() > end or (process is not None and process.poll() is not None):
            said = log.read_text(errors="replace")[-2000:] if log else ""
            raise RuntimeError(f"{who} does not start:\n{said}")
        time.sleep(_PAUSE)
