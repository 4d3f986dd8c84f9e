"""The end of a connection, and what the provider is told of it.

- Disconnect (`disconnect.py`). The tokens are erased from the connection, and sealed into a revocation, in one
  transaction.
- Unused tokens (`unused_tokens.py`). Tokens that came too late, or that could not be stored, become revocations, too.
- Delivery (`delivery.py`). The worker takes the revocations that are due, and decides whether each may be sent.
- Sending (`sending.py`). The requests to the provider, and what its answers mean.
- Shown (`shown.py`). What callers see of the revocations of a user.
- Forgetting (`forgetting.py`). Revocations that ended long ago are deleted.
"""
