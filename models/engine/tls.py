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

_WITH_AUTHORITIES: Final = ("require", "verify-ca", VERIFIED)
_NO_AUTHORITIES: Final = (
    "needs the file of a certificate authority for sslmode=verify-ca: name it by sslrootcert=PATH"
    " (PGSSLROOTCERT is not set, and there is no ~/.postgresql/root.crt)"
)
_RISKS: Final = {
    "verify-ca": "the server's host name is not checked: any server with a certificate of the same authority"
    " could read and change everything",
    "require": "the server's certificate is not verified: anyone who impersonates it could read and change"
    " everything, the password included",
    "prefer": "nothing is verified, and if TLS fails the password and all data are sent in clear text",
    "allow": "nothing is verified, and the first attempt uses no TLS: the password and all data may be sent in"
    " clear text",
    "disable": "the password and all data are sent in clear text",
}

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
    """The arguments of `asyncpg.connect`. Without `sslmode`, asyncpg's default applies."""
    if sslmode == VERIFIED and authorities(sslrootcert) in (None, SYSTEM):
        return {"ssl": _system_context()}
    if sslrootcert is not None:
        # asyncpg accepts it only in a URL. The rest of this URL is empty, and explicit arguments take precedence.
        return {"ssl": sslmode, "dsn": f"postgres://?{urlencode({'sslrootcert': sslrootcert})}"}
    return {"ssl": sslmode}


def authorities(sslrootcert: str | None) -> str | None:
    """The file of trusted certificate authorities, or `system`: `sslrootcert`, else PGSSLROOTCERT, else
    ~/.postgresql/root.crt if it exists, else None."""
    usual = Path("~/.postgresql/root.crt").expanduser()
    return sslrootcert or os.environ.get("PGSSLROOTCERT") or (str(usual) if usual.exists() else None)


def authorities_problem(sslmode: str | None, sslrootcert: str | None) -> str | None:
    """Why certificates can't be verified as `sslmode` requires, and what to write instead; None if they can."""
    found, named_by = authorities(sslrootcert), _named_by(sslrootcert)
    if sslmode not in _WITH_AUTHORITIES and sslrootcert is None:
        return None
    if found is None:
        return _NO_AUTHORITIES if sslmode == "verify-ca" else None
    if found == SYSTEM:
        return None if sslmode == VERIFIED else f"may have {named_by}=system with sslmode={VERIFIED} only"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(found)
    except ssl.SSLError:
        return f"must name a file of certificates in PEM (`-----BEGIN CERTIFICATE-----`) as {named_by}"
    except OSError:
        return f"must name a readable file, or system, as {named_by}"
    return None


def _named_by(sslrootcert: str | None) -> str:
    if sslrootcert is not None:
        return "sslrootcert"
    return "PGSSLROOTCERT" if os.environ.get("PGSSLROOTCERT") else "~/.postgresql/root.crt"


def sslmode_risk(sslmode: str, sslrootcert: str | None) -> str:
    """What an attacker on the network could do with a mode other than `verify-full`."""
    if sslmode == "require" and authorities(sslrootcert) is not None:
        # Like libpq, asyncpg treats `require` as `verify-ca` if there is a file of certificate authorities.
        sslmode = "verify-ca"
    return _RISKS[sslmode]


@cache
def _system_context() -> ssl.SSLContext:
    """Cached, because creating it reads all certificate authorities of the machine."""
    return ssl.create_default_context()
