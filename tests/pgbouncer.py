"""PgBouncer, started by the tests in front of one of their servers."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import asyncpg
import pytest

from tests.processes import free_port
from tests.waiting import until

# Debian puts it where no PATH leads.
_DEBIAN = "/usr/sbin"


def program() -> str:
    """Skips the test where PgBouncer is not installed, and fails it in CI."""
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path=_DEBIAN)
    if found is None:
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse("PgBouncer is not installed here: nothing is tested behind it")
    return found


class PgBouncer:
    """Leads to the server on the port `target`. PgBouncer refuses to run as root, so root starts it as another user.

    It logs in there as `user`. `settings` are those that it needs, and Tendon needs none: `ignore_startup_parameters`
    is not set.
    """

    def __init__(
        self, program: str, target: int, *, mode: str = "session", user: str = "tendon", **settings: str
    ) -> None:
        self.port = int(settings.get("listen_port") or free_port())
        self._folder = Path(tempfile.mkdtemp(prefix="tendon-pgbouncer-"))
        self._configuration = self._folder / "pgbouncer.ini"
        self._settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "any",
            "admin_users": "tendon",
            "pool_mode": mode,
            "server_login_retry": "1",
            "default_pool_size": "50",
            "max_client_conn": "500",
            "logfile": str(self._folder / "log"),
            **settings,
        }
        self._role = user
        self.lead_to(target)
        account = "nobody" if os.geteuid() == 0 else None
        if account:
            shutil.chown(self._folder, account)
        self._process = subprocess.Popen(
            [program, self._configuration],
            user=account,
            group=pwd.getpwnam(account).pw_gid if account else None,
            extra_groups=[] if account else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def lead_to(self, target: int, **settings: str) -> None:
        """Takes effect with RELOAD. Other settings stay as they were."""
        self._settings.update(settings)
        lines = [f"{name} = {value}" for name, value in self._settings.items()]
        databases = f"* = host=127.0.0.1 port={target} user={self._role}"
        self._configuration.write_text("\n".join(["[databases]", databases, "[pgbouncer]", *lines, ""]))
        self._configuration.chmod(0o644)

    async def ready(self) -> None:
        await until(self._answers, "PgBouncer to answer")

    async def _answers(self) -> bool:
        try:
            await self.command("SHOW VERSION")
        except OSError:
            return False
        return True

    async def command(self, text: str) -> None:
        """A command of PgBouncer's console, which speaks only the simple protocol."""
        session = await asyncpg.connect(f"postgres://tendon@127.0.0.1:{self.port}/pgbouncer", ssl=False)
        try:
            await session.execute(text)
        finally:
            session.terminate()

    def url(self, database: str) -> str:
        return self.url_at(self.port, database)

    @staticmethod
    def url_at(port: int, database: str) -> str:
        return f"postgres://tendon@127.0.0.1:{port}/{database}?sslmode=disable"

    def remove(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        shutil.rmtree(self._folder)
