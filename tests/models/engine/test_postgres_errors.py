"""What the exceptions of asyncpg mean: is the database down, is the statement in doubt, is the connection of use."""

from __future__ import annotations

import asyncio
import socket
import ssl

import asyncpg
import pytest
from asyncpg.exceptions import ClientConfigurationError, InternalClientError, InvalidCachedStatementError

from models.database import DatabaseDown
from models.engine.postgres_errors import breaks_connection, outage, outage_before_statement

# SQLSTATE: is it an outage, is the statement in doubt, is the connection of no use any more.
CODES = {
    # Connection exceptions.
    "08000": (True, True, True),
    "08006": (True, True, True),
    "08P01": (True, True, True),
    # A transaction that failed or was ended, and a server that only reads.
    "25P02": (True, False, True),
    "25P03": (True, False, True),
    "25006": (True, False, True),
    # Prepared statements that are gone, or are there already.
    "26000": (True, False, True),
    "42P05": (True, False, True),
    # Who may connect, and to what.
    "28000": (True, False, True),
    "28P01": (True, False, True),
    "3D000": (True, False, True),
    # No more connections, or a full disk.
    "53100": (True, False, False),
    "53300": (True, False, False),
    # Cancelled by our own time limit: rolled back, and the session goes on.
    "57014": (True, False, False),
    # The server shuts down, or has crashed.
    "57P01": (True, True, True),
    "57P02": (True, True, True),
    "57P03": (True, True, True),
    "57P05": (True, True, True),
    "58030": (True, True, True),
    # Others were in the way.
    "40001": (True, False, False),
    "40P01": (True, False, False),
    "55P03": (True, False, False),
    # Rights, columns and tables that are missing: a migration or a grant is due.
    "42501": (True, False, False),
    "42703": (True, False, False),
    "42P01": (True, False, False),
    # Mistakes in a statement or its values.
    "0A000": (False, False, False),
    "21000": (False, False, False),
    "22012": (False, False, False),
    "22P02": (False, False, False),
    "23502": (False, False, False),
    "23505": (False, False, False),
    "27000": (False, False, False),
    "42601": (False, False, False),
    "42883": (False, False, False),
    "44000": (False, False, False),
    "54000": (False, False, False),
    "P0001": (False, False, False),
    # Of the server itself, and such as nobody knows.
    "XX000": (False, False, True),
    "24000": (False, False, True),
}


def of_server(code: str) -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new({"C": code, "M": "CANARY", "S": "ERROR"})


@pytest.mark.parametrize("code", CODES)
def test_an_error_of_the_server(code: str) -> None:
    error = of_server(code)
    is_outage, in_doubt, breaks = CODES[code]
    down = outage(error)
    assert (down is not None, down is not None and down.in_doubt) == (is_outage, in_doubt)
    assert breaks_connection(error) == breaks
    if down is None:
        return
    # The message may contain names and values.
    assert down.reason == f"{type(error).__name__} {code}"
    # By then it is the cause of the outage.
    down.__cause__ = error
    assert breaks_connection(down) == breaks


@pytest.mark.parametrize("code", CODES)
def test_an_error_of_the_server_before_a_statement_is_an_outage_without_doubt(code: str) -> None:
    error = of_server(code)
    down = outage_before_statement(error)
    assert down is not None
    assert (down.reason, down.in_doubt) == (f"{type(error).__name__} {code}", False)


def test_a_statement_that_was_prepared_before_a_migration() -> None:
    """Another try succeeds, with the same session."""
    error = InvalidCachedStatementError("cached plan must not change result type")
    down = outage(error)
    assert down is not None
    assert (down.reason, down.in_doubt) == ("InvalidCachedStatementError 0A000", False)
    assert not breaks_connection(error)


OF_THE_CONNECTION = [
    ConnectionResetError("CANARY"),
    TimeoutError(),
    TimeoutError(),
    OSError(9, "CANARY"),
    asyncpg.InterfaceError("CANARY"),
    InternalClientError("CANARY"),
    ssl.SSLError("CANARY"),
]
CERTIFICATE = ssl.SSLCertVerificationError("CANARY")


# A certificate that is refused is a ValueError as well, and no mistake in a statement's values.
@pytest.mark.parametrize("error", [*OF_THE_CONNECTION, CERTIFICATE], ids=lambda error: type(error).__name__)
def test_a_connection_that_fails_in_a_statement_leaves_it_in_doubt(error: Exception) -> None:
    """Whether it was executed, nobody knows."""
    down = outage(error)
    assert down is not None
    assert (down.reason, down.in_doubt) == (type(error).__name__, True)
    assert breaks_connection(error)


@pytest.mark.parametrize("error", [*OF_THE_CONNECTION, socket.gaierror(-2, "CANARY")], ids=lambda e: type(e).__name__)
def test_a_connection_that_never_came_leaves_no_doubt(error: Exception) -> None:
    """Nothing was sent."""
    down = outage_before_statement(error)
    assert down is not None
    assert (down.reason, down.in_doubt) == (type(error).__name__, False)


@pytest.mark.parametrize(
    "error", [ValueError("x"), asyncpg.DataError("x"), KeyError("x"), ZeroDivisionError(), asyncio.CancelledError()]
)
def test_other_exceptions_are_no_outage(error: BaseException) -> None:
    """They are mistakes of ours, or a task that was cancelled: the connection is as good as before."""
    assert outage(error) is None
    assert not breaks_connection(error)
    assert isinstance(error, asyncpg.PostgresError) or outage_before_statement(error) is None


def test_why_a_connection_can_not_be_secured() -> None:
    refused = outage_before_statement(ConnectionError('PostgreSQL server at "CANARY:1" rejected SSL upgrade'))
    assert refused is not None
    assert (refused.reason, refused.in_doubt) == ("TLSRefused", False)
    certificate = ssl.SSLCertVerificationError("CANARY")
    certificate.verify_message = "self-signed certificate"
    unverified = outage_before_statement(certificate)
    assert unverified is not None
    assert (unverified.reason, unverified.in_doubt) == ("SSLCertVerificationError: self-signed certificate", False)
    # A connection that breaks is no refusal, whatever it says.
    reset = outage_before_statement(ConnectionResetError("rejected SSL upgrade"))
    other = outage_before_statement(ConnectionError("CANARY"))
    assert reset is not None
    assert other is not None
    assert (reset.reason, other.reason) == ("ConnectionResetError", "ConnectionError")


def test_a_setting_of_libpq_that_is_wrong() -> None:
    down = outage_before_statement(ClientConfigurationError("CANARY"))
    assert down is not None
    assert (down.reason, down.in_doubt) == ("ClientConfigurationError", False)


def test_an_outage_without_a_cause_breaks_no_connection() -> None:
    """As one of a pool that was closed."""
    assert not breaks_connection(DatabaseDown("closed"))
