"""A gateway whose lease holds nobody back: the mistake that a run has to find.

It takes the place of `tendon`. Only modules like this one replace anything of ours in the tests.
"""

from __future__ import annotations

from gateway.cli import main
from models import token_refresh
from models.statement import Statement

# As the real one, without the conditions on the lease and on the time of the next try.
_TAKE = Statement(
    """
    UPDATE connection SET owner = :owner, lease_until = after(:lease), epoch = epoch + 1,
        first_sent_at = coalesce(first_sent_at, after(:minus_quiet))
    WHERE id = :id AND version = :version AND refresh_token IS NOT NULL
    RETURNING epoch, failures, unsure, now() AS taken_at"""
)

if __name__ == "__main__":
    token_refresh._TAKE = _TAKE
    main()
