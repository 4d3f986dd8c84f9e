"""The database engines: which one a URL names, and the clients through which the ORM speaks to it.

Each client raises DatabaseDown for whatever its driver raises when the database can't be used, and has transactions
that a cancelled task can't leave open.
"""

from models.engine.configuration import UnsupportedDatabase, configuration, named
from models.engine.down import DatabaseDown
from models.engine.limits import Limits

__all__ = ["DatabaseDown", "Limits", "UnsupportedDatabase", "configuration", "named"]
