"""The engine's connections to PostgreSQL. Its driver is psycopg, so what TENDON_DATABASE_URL says has to be translated:
several hosts, TLS, time-outs, and which server is wanted. `models/engine/` does the same for asyncpg."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
from typing import Any, Final

import psycopg
import sqlalchemy
from sqlalchemy import event

from models.engine.postgres_connection import session_settings
from models.engine.tls import SYSTEM, VERIFIED, authorities
from models.engine.url import Host, PostgresUrl
from models.server_state import WORKER_SESSIONS

_engine_logger: Final = logging.getLogger("dbos")

CONNECTIONS: Final = 5
"""The size of the engine's pool."""
# Seconds between two attempts to connect while the database is away.
_RETRY: Final = 1.0
# Seconds to wait for a connection of the pool: longer than any outage, since those that connect wait for its end.
_FOR_EVER: Final = 10**8
# As `models/engine/postgres_connection.py` has them: a connection to a host that is gone breaks after ten seconds.
_KEEPALIVE: Final = {
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# A server that has become read-only (25006): a former primary.
_READ_ONLY: Final = "25006"
_LONGEST_NAME: Final = 63


class NotWanted(psycopg.OperationalError):
    """The server isn't what `target_session_attrs` asks for."""


class Connector:
    """Opens the engine's connections. Each wait for the server takes `seconds` at most.

    When the engine fails to connect, it tries again after growing pauses. So once `patient` is set, an attempt goes on
    until it succeeds or `close` is called, and the engine continues within a second after the database is back.
    """

    def __init__(self, url: PostgresUrl, seconds: float) -> None:
        self._url = url
        self._seconds = seconds
        self._hosts = list(url.hosts)
        """The host that was connected to last comes first."""
        self._closed = threading.Event()
        self.patient = False
        name = f"{WORKER_SESSIONS}{socket.gethostname()}/{os.getpid()}"
        self._session = session_settings(seconds, url.target_session_attrs, name[-_LONGEST_NAME:])
        if any(_trusts_system(url, host) for host in url.hosts):
            _find_system_authorities()

    def connect(self, **driver: Any) -> psycopg.Connection[Any]:
        """A connection to the first host that is wanted. Raises psycopg.OperationalError."""
        while True:
            try:
                return self._connect_to_any(driver)
            except psycopg.OperationalError:
                if not self.patient or self._closed.is_set():
                    raise
                # `worker/engine_log.py` logs neither its text nor each attempt of each thread.
                _engine_logger.warning("no connection", exc_info=True)
            self._closed.wait(_RETRY)

    def close(self) -> None:
        """No attempt goes on after this."""
        self._closed.set()

    def _connect_to_any(self, driver: dict[str, Any]) -> psycopg.Connection[Any]:
        failures: list[psycopg.OperationalError] = []
        for host in list(self._hosts):
            try:
                connection = self._connect_to(host, driver)
            except psycopg.OperationalError as error:
                failures.append(error)
            else:
                self._hosts.remove(host)
                self._hosts.insert(0, host)
                return connection
        # That a server is no primary says more than that another one is silent.
        raise max(failures, key=lambda failure: isinstance(failure, NotWanted))

    def _connect_to(self, host: Host, driver: dict[str, Any]) -> psycopg.Connection[Any]:
        connection = psycopg.connect(**driver, **connection_arguments(self._url, host, self._seconds))
        try:
            row = connection.execute(self._session.encode()).fetchone()
            connection.commit()
            self._check_wanted(row)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_wanted(self, row: Any) -> None:
        if row is None or not row[1]:
            raise NotWanted(f"the server is not {self._url.target_session_attrs}")


def connection_arguments(url: PostgresUrl, host: Host, seconds: float) -> dict[str, Any]:
    """What libpq is told. It gets each host on its own, since the default of `sslmode` depends on the host."""
    arguments: dict[str, Any] = {
        "host": host.name,
        "port": host.port,
        "user": url.user,
        "password": url.password,
        "dbname": url.database,
        "connect_timeout": max(2, round(seconds)),
        # Without this, PGTARGETSESSIONATTRS would apply.
        "target_session_attrs": "any",
        "gssencmode": "disable",
        "sslmode": url.sslmode_for(host),
        "sslrootcert": SYSTEM if _trusts_system(url, host) else url.sslrootcert,
        **_KEEPALIVE,
    }
    return {name: value for name, value in arguments.items() if value is not None}


def _trusts_system(url: PostgresUrl, host: Host) -> bool:
    return url.sslmode_for(host) == VERIFIED and authorities(url.sslrootcert) in (None, SYSTEM)


def _find_system_authorities() -> None:
    """psycopg brings an OpenSSL of its own, which looks for certificate authorities where this machine has none."""
    paths = ssl.get_default_verify_paths()
    os.environ.setdefault(paths.openssl_cafile_env, paths.openssl_cafile)
    os.environ.setdefault(paths.openssl_capath_env, paths.openssl_capath)


def create_pool(url: PostgresUrl, connector: Connector) -> sqlalchemy.Engine:
    """The pool that the engine takes its connections from."""
    address = sqlalchemy.URL.create("postgresql+psycopg", database=url.database)
    pool = sqlalchemy.create_engine(
        address, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=_FOR_EVER, pool_pre_ping=True
    )

    def connect(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> psycopg.Connection[Any]:
        # The dialect's own options are how values are converted. The database comes from the URL.
        return connector.connect(**{name: value for name, value in options.items() if name == "context"})

    def judge(context: Any) -> None:
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
            context.is_disconnect = True

    event.listen(pool, "do_connect", connect)
    event.listen(pool, "handle_error", judge)
    return pool
