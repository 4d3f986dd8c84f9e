"""The database engines: which one a URL names, and the clients through which the ORM speaks to it.

Each client raises DatabaseDown for whatever its driver raises when the database can't be used, and has transactions
that a cancelled task can't leave open.
"""

from models.engine.configuration import UnsupportedDatabase, configuration, named, unverified_sslmode
from models.engine.down import DatabaseDown
from models.engine.limits import Limits
from models.engine.tls import CERTIFICATE_REFUSED, TLS_REFUSED

__all__ = [
    "CERTIFICATE_REFUSED",
    "TLS_REFUSED",
    "DatabaseDown",
    "Limits",
    "UnsupportedDatabase",
    "configuration",
    "named",
    "unverified_sslmode",
]
