"""Authentication: reads the bearer token of a request (RFC 6750) and verifies it in the way that TENDON_AUTH names.

verifier.py       read_bearer: the token of the Authorization header; the interface Verifier, and open_verifier: which
                  one the settings ask for
introspection.py  opaque tokens: asks the authorization server (RFC 7662)
jwt.py, jwks.py   signed tokens (RFC 9068): checks them with the issuer's published keys (RFC 7517)
jws.py            the parts of a signed token
token_claims.py   what the claims of either kind say: user or service, scopes, times
verdicts.py       caches the result for a token
endpoint.py       requests to the authorization server
"""

from gateway.bearer.endpoint import open_client
from gateway.bearer.verifier import Verifier, open_verifier, read_bearer

__all__ = ["Verifier", "open_client", "open_verifier", "read_bearer"]
