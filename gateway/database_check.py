"""Checks the database before a command uses it, and turns its errors into messages that say what to do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import structlog

from gateway.settings import SettingsError
from models.database import Database, DatabaseDown, Limits, open_database
from models.engine import CERTIFICATE_REFUSED, SHARED_SESSIONS, TLS_REFUSED, parse_url
from models.file_modes import ReadableByOthers, world_writable_folders
from models.pending import pending_migrations
from models.rights import missing_export_rights, missing_rights

log = structlog.get_logger("tendon")

_SQLITE: Final = "sqlite://"

# Failures that last until a setting or the server is corrected.
_PERMANENT: Final = (
    "ClientConfigurationError",
    "InsufficientPrivilegeError",
    TLS_REFUSED,
    CERTIFICATE_REFUSED,
    SHARED_SESSIONS,
)
# With sslmode=allow, TLS is tried only after an attempt without it has failed.
_AFTER_PLAIN_TEXT: Final = (
    "the server offers no TLS, and with `sslmode=allow` the password may already have been sent in clear text:"
    " change it, set up TLS there, and remove `sslmode=allow`"
)
# What to do about a failure whose reason contains this text. docs/operating.md has more.
_HINTS: Final = {
    TLS_REFUSED: "the server offers no TLS, so the password would be sent in clear text: set up TLS there, or add"
    " `?sslmode=disable` if nobody else can read the traffic",
    "ClientConfigurationError": "one of libpq's variables (PG…) is wrong, or the file of the certificate authority is"
    " missing",
    CERTIFICATE_REFUSED: "the server's certificate could not be verified: name the file of its certificate authority"
    " with `?sslrootcert=PATH`, and use a host name that the certificate contains",
    SHARED_SESSIONS: "use the pooler in session mode (PgBouncer: `pool_mode = session`), or connect to the server"
    " itself",
    "42501": "this role lacks a right; docs/operating.md lists the rights",
    "TargetServerAttributeNotMatched": "no host accepts writes: each that answers is a standby, or read-only; name the"
    " primary, too",
    "53300": "the server, its database or this role accepts no more connections; raise the limit, or lower"
    " TENDON_DATABASE_POOL",
    "28P01": "the user or the password is wrong",
    "28000": "the server doesn't accept this user from this host; check its pg_hba.conf",
    "25006": "it is a standby or read-only; name the primary, or several hosts, of which the primary is used",
    "3D000": "the server has no database of this name; create it, or correct the name",
    "gaierror": "the host name can't be resolved; correct it",
    "ConnectionRefusedError": "no server listens there; start it, or correct host and port",
    "TimeoutError": "the server did not answer in time; check host, port and firewalls",
    "FileNotFoundError": "there is no such folder or socket; correct the path",
    "FileExistsError": "its folder is a file; correct the path",
    "NotADirectoryError": "its folder is a file; correct the path",
    "IsADirectoryError": "this is a folder; add the name of a file",
    "PermissionError": "this user may not write there; give the folder to this user, or correct the path",
    "SQLITE_NOTADB": "this file is not an SQLite database; correct the path",
    "SQLITE_CANTOPEN": "this file can't be opened; correct the path, or let this user read and write it",
    "SQLITE_READONLY": "this user may not write to the file",
}


@asynccontextmanager
async def open_for_export(url: str, limits: Limits) -> AsyncGenerator[Database]:
    """The database, open for `tendon audit export`, which needs it now. Raises SettingsError if it can't be reached, or
    lacks migrations or rights."""
    async with AsyncExitStack() as stack:
        with database_errors(url):
            check_exists(url)
            database = await stack.enter_async_context(open_database(url, limits))
            await database.ping()
            pending = await pending_migrations(database)
            missing = [] if pending else await missing_export_rights(database)
        _check_complete(url, pending, missing, "tendon_export")
        yield database


async def check_database(url: str, limits: Limits) -> None:
    """Raises SettingsError for a file that can't be used, and for a database that lacks migrations or rights.

    A database server may be unreachable when a process starts. That is logged, and the process reports that it is not
    ready until the server is back.
    """
    with database_errors(url):
        check_exists(url)
        try:
            async with open_database(url, limits) as database:
                pending, missing = await lacking(database)
        except DatabaseDown as fault:
            if url.startswith("sqlite:") or fault.reason.startswith(_PERMANENT):
                raise
            log.warning("database.away", reason=fault.reason)
            return
    _check_complete(url, pending, missing, "tendon_app")


def _check_complete(url: str, pending: Sequence[str], missing: Sequence[str], role: str) -> None:
    """Raises SettingsError if migrations or rights are missing."""
    if pending:
        raise SettingsError(f"the database {parse_url(url)} lacks {', '.join(pending)}: run `tendon migrate`")
    if missing:
        raise SettingsError(
            f"TENDON_DATABASE_URL: its role lacks {', '.join(missing)}: grant {role}'s rights of docs/operating.md"
        )


def check_exists(url: str) -> None:
    """Raises SettingsError for an SQLite file that does not exist. Opening it would create it, even at a wrong path."""
    if not url.startswith(_SQLITE):
        return
    try:
        Path(url.removeprefix(_SQLITE)).stat()
    except NotADirectoryError:
        # Opening the file raises a more exact error.
        return
    except FileNotFoundError:
        raise SettingsError(
            f"there is no database {parse_url(url)}: run `tendon migrate` to create it, or correct TENDON_DATABASE_URL"
        ) from None


async def lacking(database: Database) -> tuple[list[str], list[str]]:
    """The migrations that the database lacks, and the rights that the role lacks, which are not looked for if it lacks
    migrations. Raises DatabaseDown."""
    await database.ping()
    pending = await pending_migrations(database)
    return pending, [] if pending else await missing_rights(database)


@contextmanager
def database_errors(url: str) -> Generator[None]:
    """Replaces any error that means that the database can't be used by a SettingsError with a hint."""
    try:
        yield
    except DatabaseDown as fault:
        raise SettingsError(f"TENDON_DATABASE_URL: {unusable(fault.reason, url)}") from None
    except ReadableByOthers as fault:
        raise SettingsError(f"TENDON_DATABASE_URL: {fault}") from None
    except OSError as fault:
        raise SettingsError(f"TENDON_DATABASE_URL: {unusable(type(fault).__name__, url)}") from None


def unusable(reason: str, url: str) -> str:
    """Why the database can't be used, for the terminal, and what to do about it."""
    hint = next((hint for text, hint in _HINTS.items() if text in reason), None)
    unverified = parse_url(url).unverified_sslmode()
    if reason == TLS_REFUSED and unverified is not None and unverified[0] == "allow":
        hint = _AFTER_PLAIN_TEXT
    return f"the database can't be used ({reason}){f': {hint}' if hint else ''}"


def warn_of_database(url: str) -> None:
    """Log a warning when the server's certificate is not verified, or when others may replace the SQLite file."""
    if url.startswith(_SQLITE):
        for folder in world_writable_folders(Path(url.removeprefix(_SQLITE))):
            reason = "any user of this machine could replace the database in it: its owner should `chmod o-w` it"
            log.warning("folder.mode", folder=str(folder), reason=reason)
    if unverified := parse_url(url).unverified_sslmode():
        sslmode, reason = unverified
        log.warning("database.unverified", sslmode=sslmode, reason=reason)
