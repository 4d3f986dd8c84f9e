"""The gateway with a claim that reads first and writes then: the mistake that a run has to find.

It takes the place of `tendon`. Only modules like this one replace anything of ours in the tests.
"""

from __future__ import annotations

from gateway.cli import main
from models.statement import Statement
from resolvers.callback import claims
from resolvers.callback.claims import Attempt, Claim
from resolvers.context import Context

_claim = claims.claim
_MINE = "state_hash = :key AND user_id = :user"
_FREE = Statement(f"SELECT status FROM authorization_request WHERE {_MINE} AND status = 'pending'")
_MAKE_FREE = Statement(f"UPDATE authorization_request SET status = 'pending' WHERE {_MINE} RETURNING status")


async def broken_claim(context: Context, attempt: Attempt) -> Claim | None:
    """See whether it is free, and if so take it whoever has it by now: others saw the same in between."""
    mine = {"key": attempt.binding.state_hash, "user": attempt.binding.user_id}
    if not await _FREE.rows(context.resources.database, **mine):
        return None
    # The real claim asks for this. Without it, it takes what it can get.
    await _MAKE_FREE.rows(context.resources.database, **mine)
    return await _claim(context, attempt)


if __name__ == "__main__":
    claims.claim = broken_claim
    main()
