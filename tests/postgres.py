"""A PostgreSQL server of the tests' own, in a scratch folder on a loopback port."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from models.migrating import migrate
from tests.databases import CACHE, migrations
from tests.processes import free_port

# Debian puts them where no PATH leads.
_DEBIAN = "/usr/lib/postgresql"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "300",
    # The machine does not crash in a test; the server may, and keeps what it committed all the same.
    "fsync": "off",
    "full_page_writes": "off",
}
# Seconds after which a killed process is gone, with all its memory.
_ENDING = 30
# A database with all tables and no rows, to copy.
_MIGRATED = "tendon_migrated"


def programs() -> Path:
    """The folder with PostgreSQL's programs. Skips the test where there are none, and fails it in CI."""
    found = binaries()
    if found is None:
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse("PostgreSQL's server is not installed here: nothing is tested on it")
    return found


def binaries() -> Path | None:
    """The folder with initdb and postgres, of the newest version there is."""
    found = shutil.which("initdb")
    debian = sorted(Path(_DEBIAN).glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    return Path(found).parent if found else None


class PostgresServer:
    """Started at once; stop it with `remove`. PostgreSQL refuses to run as root, so root starts it as another user.

    With `primary` it is a hot standby of that server until it is promoted. It reaches the primary on the port `through`
    if something is in between. `settings` are those of postgresql.conf.
    """

    def __init__(
        self,
        programs: Path,
        *,
        primary: PostgresServer | None = None,
        through: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._programs = programs
        self._user = _somebody() if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="tendon-postgres-"))
        if self._user:
            shutil.chown(self.folder, self._user)
        self.port = free_port()
        self.settings = _SETTINGS | dict(settings or {})
        if primary:
            source = ("-h", "127.0.0.1", "-p", str(through or primary.port), "-U", "tendon")
            self._run("pg_basebackup", *source, "-D", "data", "-R", "-X", "stream", "-c", "fast", "--no-sync")
        else:
            self._initialize()
        self.start()

    def start(self) -> None:
        settings = [f"-c {name}={value}" for name, value in self.settings.items()]
        options = " ".join([f"-p {self.port}", f"-k {self.folder}", *settings])
        self._run("pg_ctl", "-D", "data", "-w", "-t", "60", "-l", "log", "-o", options, "start")

    def give(self, name: str, content: bytes) -> Path:
        """Create a file that only the server may read."""
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        if self._user:
            shutil.chown(path, self._user)
        return path

    def stop(self, mode: str = "fast") -> None:
        """`fast` as an operator does it, `immediate` as a crash does."""
        self._run("pg_ctl", "-D", "data", "-w", "-m", mode, "stop")

    def promote(self) -> None:
        self._run("pg_ctl", "-D", "data", "-w", "promote")

    def kill(self) -> None:
        """As a machine does it that loses its power."""
        # So that it starts no further processes.
        os.kill(self.pid, signal.SIGSTOP)
        processes = self.processes
        self.signal(signal.SIGKILL)
        end = time.monotonic() + _ENDING
        while any(_runs(pid) for pid in processes):
            if time.monotonic() > end:
                raise RuntimeError("the server does not end")
            time.sleep(0.01)
        # They name a process that nobody may have waited for yet, and that would count as running.
        (self.folder / "data" / "postmaster.pid").unlink()
        (self.folder / f".s.PGSQL.{self.port}.lock").unlink()

    def remove(self) -> None:
        """Whatever state it is in."""
        if self.is_running:
            self.kill()
        shutil.rmtree(self.folder)

    @property
    def pid(self) -> int:
        return int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])

    @property
    def is_running(self) -> bool:
        return (self.folder / "data" / "postmaster.pid").exists() and _runs(self.pid)

    @property
    def processes(self) -> list[int]:
        """The server's and, after it, those that it has started."""
        with suppress(FileNotFoundError, ProcessLookupError):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            return [self.pid, *map(int, children)]
        return []

    def signal(self, number: signal.Signals) -> None:
        """To the server and all its processes."""
        for pid in self.processes:
            # One that serves a connection may end meanwhile.
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def url(self, database: str, port: int | None = None) -> str:
        """`port` is that of something in between."""
        return f"postgres://tendon@127.0.0.1:{port or self.port}/{database}"

    async def create(self, *, template: str = "template1") -> str:
        """The URL of a new, empty database."""
        name = f"tendon_{uuid4().hex}"
        session = await asyncpg.connect(self.url("postgres"))
        try:
            await session.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        finally:
            await session.close()
        return self.url(name)

    async def create_migrated(self) -> str:
        """The URL of a new database with all tables and no rows."""
        return await self.create(template=_MIGRATED)

    def _initialize(self) -> None:
        """Copies the data folder that the first server made, in this run or an earlier one, which takes a tenth of the
        time."""
        version = subprocess.run([self._programs / "postgres", "--version"], capture_output=True, text=True, check=True)
        made, data = CACHE / f"{version.stdout.strip()} {migrations()}", self.folder / "data"
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "lock").open("w") as lock:
            # Tests run in several processes.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                self._make(data)
                for outdated in CACHE.glob("postgres*"):
                    shutil.rmtree(outdated)
                shutil.copytree(data, made.with_suffix(".new"))
                made.with_suffix(".new").rename(made)
                return
            shutil.copytree(made, data)
        if self._user:
            for path in (data, *data.rglob("*")):
                shutil.chown(path, self._user)

    def _make(self, data: Path) -> None:
        self._run("initdb", "-D", data.name, "-U", "tendon", "--auth=trust", "--no-sync", "--encoding=UTF8")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tendon", _MIGRATED)
        # In a thread, because a test's event loop may be running in this one.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, migrate(self.url(_MIGRATED))).result()
        self.stop()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self.folder,
            user=self._user,
            # A server that inherits a pipe keeps it open.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            log = self.folder / "log"
            raise RuntimeError(f"{program} failed:\n{log.read_text() if log.exists() else ''}")


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _somebody() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)
