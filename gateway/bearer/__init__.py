"""Who is calling: bearer tokens (RFC 6750) are read from the header here and verified in one of four ways.

    header.py         read_bearer: the Authorization header's token
    verifier.py       Verifier, the one interface, and EitherVerifier for TENDON_AUTH=introspection+jwt
    dev.py            dev:alice and dev-service:NAME, for a laptop
    introspection.py  opaque tokens: the authorization server is asked (RFC 7662)
    jwt.py, jwks.py   signed tokens (RFC 9068): checked with the issuer's published keys (RFC 7517)
    claims.py         what a token's members say: user or service, scopes, times
    opening.py        open_verifier: from settings to a verifier

The rest serves those: `endpoint.py` asks the authorization server, `flights.py` lets many callers share one call,
`verdicts.py` remembers answers, `compact.py` takes a JWT apart without trusting it.
"""

from gateway.bearer.endpoint import open_client
from gateway.bearer.header import read_bearer
from gateway.bearer.opening import BearerSettings, open_verifier
from gateway.bearer.verifier import Verifier

__all__ = ["BearerSettings", "Verifier", "open_client", "open_verifier", "read_bearer"]
