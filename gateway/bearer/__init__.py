"""Authentication: reads bearer tokens (RFC 6750) from the header and verifies them in one of four ways.

    header.py         read_bearer: the Authorization header's token
    verifier.py       Verifier, the one interface, and EitherVerifier for TENDON_AUTH=introspection+jwt
    dev.py            dev:alice and dev-service:NAME, for a laptop
    introspection.py  opaque tokens: asks the authorization server (RFC 7662)
    jwt.py, jwks.py   signed tokens (RFC 9068): checked with the issuer's published keys (RFC 7517)
    claims.py         what a token's claims say: user or service, scopes, times
    opening.py        open_verifier: makes a verifier from settings

The other modules support those: `endpoint.py` calls the authorization server, `verdicts.py` caches answers,
`compact.py` splits a JWT without trusting it.
"""

from gateway.bearer.endpoint import open_client
from gateway.bearer.header import read_bearer
from gateway.bearer.opening import BearerSettings, open_verifier
from gateway.bearer.verifier import Verifier

__all__ = ["BearerSettings", "Verifier", "open_client", "open_verifier", "read_bearer"]
