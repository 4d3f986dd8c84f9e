"""Client authentication by signed assertions (RFC 7523 3), with the keys that were registered with the provider."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from sandbox.client import Client, authenticate
from sandbox.endpoint_request import EndpointRequest
from sandbox.oauth import OAuthError

TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Seconds for which an assertion may be valid, as health services demand.
_LONGEST: Final = 300


def authenticated(request: EndpointRequest, method: str) -> Client:
    """The client, once it has authenticated by this method. Raises OAuthError."""
    client = authenticate(request.provider.client, method, request.authorization, request.form)
    if method == "private_key_jwt":
        _check(request, client)
    return client


def _check(request: EndpointRequest, client: Client) -> None:
    """Raises OAuthError unless the assertion is from this client, for this provider, now, and for the first time."""
    dialect, used, now = request.provider.dialect, request.provider.assertions, time.time()
    if request.form.get("client_assertion_type") != TYPE:
        _refuse("client_assertion_type is wrong")
    claims = _signed_claims(request.form.get("client_assertion") or "", dialect.algorithm or "", client.keys)
    if (claims.get("iss"), claims.get("sub")) != (client.client_id, client.client_id):
        _refuse("iss or sub is not the client's id")
    if claims.get("aud") != dialect.audience:
        _refuse("aud is not the URL of the token endpoint")
    iat, exp, jti = claims.get("iat"), claims.get("exp"), claims.get("jti")
    if type(iat) is not int or type(exp) is not int or not iat <= now < exp or exp > iat + _LONGEST:
        _refuse(f"it is valid at another time, or for more than {_LONGEST} seconds")
    for other in [other for other, until in used.items() if until <= now]:
        del used[other]
    if not isinstance(jti, str) or not jti or jti in used:
        _refuse("jti is missing or was used before")
    used[jti] = exp


def _signed_claims(assertion: str, algorithm: str, keys: tuple[Mapping[str, str], ...]) -> dict[str, Any]:
    # Imported here, because few providers need it.
    from joserfc import jws, jwt  # noqa: PLC0415
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwk import KeySet, import_key  # noqa: PLC0415

    try:
        header = jws.extract_compact(assertion.encode()).headers()
    except (JoseError, ValueError):
        _refuse("it is not a JWT")
    found: list[dict[str, Any]] = [dict(key) for key in keys if key["kid"] == header.get("kid")]
    if not found:
        _refuse("kid names no registered key")
    try:
        return jwt.decode(assertion, KeySet([import_key(key) for key in found]), algorithms=[algorithm]).claims
    except (JoseError, ValueError):
        _refuse("the signature is wrong, or not by the algorithm of the registration")


def _refuse(why: str) -> NoReturn:
    raise OAuthError("invalid_client", f"client_assertion: {why}", status=401)
