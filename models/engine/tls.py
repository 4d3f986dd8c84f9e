"""TLS to PostgreSQL, in libpq's words: certificate and host name are verified unless `sslmode` says otherwise."""

from __future__ import annotations

import os
import ssl
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

VERIFIED: Final = "verify-full"
SSLMODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", VERIFIED)
SYSTEM: Final = "system"
"""As `sslrootcert`: the certificate authorities that this machine trusts."""

TLS_REFUSED: Final = "TLSRefused"
CERTIFICATE_REFUSED: Final = "SSLCertVerificationError"
"""Reasons of DatabaseDown: the server has no TLS, or not the certificate that it should have."""


def is_local(host: str) -> bool:
    """A folder with a socket, or a loopback address: what is sent there stays on this machine."""
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def tls(sslmode: str | None, sslrootcert: str | None) -> dict[str, Any]:
    """The arguments of `asyncpg.connect`. Without `sslmode` it is asyncpg's own choice.

    The authorities are those of the file `sslrootcert`, else of PGSSLROOTCERT or ~/.postgresql/root.crt where these are
    there, else the system's.
    """
    if sslmode == VERIFIED and (sslrootcert == SYSTEM or not (sslrootcert or _has_own_authorities())):
        return {"ssl": _system_context()}
    if sslrootcert is not None:
        # asyncpg takes it in a URL only. The rest of the URL is empty, and what else is given comes first.
        return {"ssl": sslmode, "dsn": f"postgres://?{urlencode({'sslrootcert': sslrootcert})}"}
    return {"ssl": sslmode}


def _has_own_authorities() -> bool:
    return bool(os.environ.get("PGSSLROOTCERT")) or Path("~/.postgresql/root.crt").expanduser().exists()


@cache
def _system_context() -> ssl.SSLContext:
    """Made once, since all of the authorities are read for it."""
    return ssl.create_default_context()
