"""The app that is registered with the provider, and its authentication at the token and revocation endpoints."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import unquote_plus

from sandbox.dialect.templates import TOKENS, placeholders
from sandbox.oauth import OAuthError, Parameters

_LOOPBACK_PORT = re.compile(r"^(http://(?:127\.0\.0\.1|\[::1\]|localhost)):[0-9]{1,5}(?=/|$)")


@dataclass(frozen=True, slots=True)
class Client:
    """A registration. `redirect_uris` must match exactly (RFC 9700 2.1), except that `:*` after a loopback address or
    `localhost` matches any port (RFC 8252 7.3). `secrets` are further credentials by name; the value of any other is
    `sandbox-` and its name. `keys` are the client's public keys, as JWKs with `kid`."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    keys: tuple[Mapping[str, str], ...] = ()

    def registered(self, redirect_uri: str) -> bool:
        any_port = _LOOPBACK_PORT.sub(r"\1:*", redirect_uri)
        return redirect_uri in self.redirect_uris or any_port in self.redirect_uris

    def known(self, template: str) -> dict[str, str]:
        """The client's id and the further credentials that have placeholders in a header field."""
        names = [name for name in placeholders(template) if name not in TOKENS]
        return {name: self.secrets.get(name, f"sandbox-{name}") for name in names} | {"client_id": self.client_id}


def auth_method(authorization: str | None, form: Parameters) -> str:
    """The token_endpoint_auth_method that a request uses; two, joined by `+`, if it uses both."""
    methods: list[str] = []
    if authorization is not None:
        scheme = authorization.partition(" ")[0].lower()
        methods.append("client_secret_basic" if scheme == "basic" else scheme)
    if form.get("client_secret") is not None:
        methods.append("client_secret_post")
    if form.get("client_assertion") is not None:
        methods.append("private_key_jwt")
    return "+".join(methods) or "none"


def authenticate(client: Client | None, method: str, authorization: str | None, form: Parameters) -> Client:
    """The authenticated client, but for an assertion, which is left to check. Methods other than `method` are rejected.
    Raises OAuthError, usually invalid_client."""
    used = auth_method(authorization, form)
    if "+" in used:
        raise OAuthError("invalid_request", "more than one method of client authentication is used")
    if client is None or used != method:
        _reject(method)
    client_id, client_secret = form.get("client_id"), form.get("client_secret")
    if method == "client_secret_basic":
        in_body = client_id
        client_id, client_secret = _basic(authorization or "", method)
        if in_body not in (None, client_id):
            _reject(method)
    if method == "private_key_jwt":
        # The assertion says which client it is; client_id is optional (RFC 7521 4.2).
        client_id = client_id or client.client_id
    if client_id != client.client_id:
        _reject(method)
    if method not in ("private_key_jwt", "none") and not _equal(client_secret or "", client.client_secret):
        _reject(method)
    return client


def bearer(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer` header (RFC 6750 2.1)."""
    scheme, _, token = (authorization or "").partition(" ")
    return token if scheme.lower() == "bearer" and token else None


def _basic(authorization: str, method: str) -> tuple[str, str]:
    """Client id and secret, each of which is form-encoded (RFC 6749 2.3.1)."""
    try:
        joined = base64.b64decode(authorization.partition(" ")[2], validate=True).decode("ascii")
        client_id, _, client_secret = joined.partition(":")
        return unquote_plus(client_id, errors="strict"), unquote_plus(client_secret, errors="strict")
    except ValueError:
        _reject(method)


def _equal(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())


def _reject(method: str) -> NoReturn:
    challenge = 'Basic realm="sandbox"' if method == "client_secret_basic" else None
    raise OAuthError("invalid_client", "client authentication failed", status=401, challenge=challenge)
