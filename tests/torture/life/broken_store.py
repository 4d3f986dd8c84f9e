"""A gateway that does not store what a refresh gave: another mistake that a run has to find.

It takes the place of `tendon`, as `broken_lease.py` does.
"""

from __future__ import annotations

from gateway.cli import main
from models import token_refresh
from models.statement import Statement

# As the real one as far as the lease is concerned. The tokens stay the old ones.
_STORE = Statement("UPDATE connection SET owner = NULL, lease_until = NULL WHERE id = :id RETURNING id")

if __name__ == "__main__":
    token_refresh._STORE = _STORE
    main()
