"""TLS to PostgreSQL, in libpq's terms: certificate and host name are verified unless `sslmode` says otherwise."""

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
"""A value of `sslrootcert`: the certificate authorities that this machine trusts."""

TLS_REFUSED: Final = "TLSRefused"
CERTIFICATE_REFUSED: Final = "SSLCertVerificationError"
"""Reasons of DatabaseDown: the server has no TLS, or a certificate that can't be verified."""


def is_local(host: str) -> bool:
    """Whether `host` is a folder with a socket, or a loopback address: traffic to it stays on this machine."""
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def tls(sslmode: str | None, sslrootcert: str | None) -> dict[str, Any]:
    """The arguments of `asyncpg.connect`. Without `sslmode`, asyncpg's default applies.

    The certificate authorities come from the file `sslrootcert`, else from PGSSLROOTCERT or ~/.postgresql/root.crt if
    there is one, else from the system.
    """
    if sslmode == VERIFIED and (sslrootcert == SYSTEM or not (sslrootcert or _has_own_authorities())):
        return {"ssl": _system_context()}
    if sslrootcert is not None:
        # asyncpg accepts it only in a URL. The rest of this URL is empty, and explicit arguments take precedence.
        return {"ssl": sslmode, "dsn": f"postgres://?{urlencode({'sslrootcert': sslrootcert})}"}
    return {"ssl": sslmode}


def _has_own_authorities() -> bool:
    return bool(os.environ.get("PGSSLROOTCERT")) or Path("~/.postgresql/root.crt").expanduser().exists()


@cache
def _system_context() -> ssl.SSLContext:
    """Cached, because it reads all certificate authorities."""
    return ssl.create_default_context()
