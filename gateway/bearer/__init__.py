"""Authentication: reads the bearer token of a request (RFC 6750) and verifies it as TENDON_AUTH requires.

verifier.py       read_bearer, which reads the Authorization header; the interface Verifier; and open_verifier, which
opens the one for TENDON_AUTH introspection.py  verifies opaque tokens at the authorization server (RFC 7662) jwt.py,
jwks.py   verify signed tokens (RFC 9068) with the issuer's published keys (RFC 7517) jws.py            splits a signed
token into its parts token_claims.py   reads the claims of either kind: user or service, scopes, times verdicts.py
caches verification results endpoint.py       requests to the authorization server
"""

from gateway.bearer.endpoint import open_client
from gateway.bearer.verifier import Verifier, open_verifier, read_bearer

__all__ = ["Verifier", "open_client", "open_verifier", "read_bearer"]
