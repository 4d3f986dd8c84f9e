"""How a callback becomes a connection, in five steps. `complete.py` runs them from top to bottom.

1. Check (`complete.py`). The callback's members and its issuer are checked before anything is spent.
2. Claim (`claims.py`). The callback waits for a slot at the provider. Then one conditional UPDATE gives the
   authorization request to one attempt, for the time of a lease.
3. Exchange (`exchange.py`). The code is sent to the provider, once. No transaction is open meanwhile. A few providers
   need more requests before the tokens are of use, or say only then which scopes were granted (`after_exchange.py`).
4. Store (`store.py`). Connection, request, account and audit row are written together. If the database is down, this
   is tried until the lease is nearly over. Tokens that are not stored become revocations (`giving_up.py`). The
   provider's own id of the user, if that takes another request, is added afterwards; where another user's account is
   to be refused, it is asked for before (`pending.py`).
5. Replay (`replay.py`). A callback that did not get the claim waits for the one that did, and gets the same result.

An attempt that has a claim runs to its end, even if the caller disconnects or waits no longer: sending the same
callback again returns the result.
"""
