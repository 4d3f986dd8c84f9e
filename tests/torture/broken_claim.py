"""The gateway with a claim that reads first and writes then: the mistake that a run has to find.

It takes the place of `tendon`. Nothing else of ours is replaced anywhere in the tests.
"""

from __future__ import annotations

from gateway.cli import main
from models.authorization_request import AuthorizationRequest, RequestStatus
from resolvers import claims
from resolvers.attempts import Attempt, Claim
from resolvers.context import Context

_claim = claims.claim


async def broken_claim(context: Context, attempt: Attempt) -> Claim | None:
    """See whether it is free, and if so take it whoever has it by now: others saw the same in between."""
    mine = AuthorizationRequest.filter(state_hash=attempt.key, user_id=attempt.user)
    if not await mine.filter(status=RequestStatus.PENDING).exists():
        return None
    # The real claim asks for this. Without it, it takes what it can get.
    await mine.update(status=RequestStatus.PENDING)
    return await _claim(context, attempt)


if __name__ == "__main__":
    claims.claim = broken_claim
    main()
