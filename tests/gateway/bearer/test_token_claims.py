"""Services: named by the operator, never recognized by a missing claim; and the user or client of a refused token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bearer.introspection import IntrospectionVerifier
from gateway.bearer.jwt import JWTVerifier
from gateway.bearer.token_claims import service_scopes
from gateway.bearer.verifier import Verifier
from gateway.settings.service_clients import KNOWN_SCOPES, read_service_clients
from resolvers.caller import PLATFORM_SCOPES, READ, READ_TOKENS, SERVICE_SCOPES, WRITE, Caller
from resolvers.errors import InvalidToken
from tests.gateway.bearer.authorization_server import AuthorizationServer, answer
from tests.gateway.bearer.standing_clock import Clock
from tests.gateway.bearer.token_issuer import AUDIENCE, ISSUER, NOW, ecdsa
from wire.http.client import Client

SIGNER = ecdsa("key")
SERVICES = read_service_clients(f"reporting={READ},{READ_TOKENS} all={','.join(KNOWN_SCOPES)} only-ours={READ_TOKENS}")
UUID = "d952cf23-bf92-4c8f-a3ff-4972b4f2bc5b"


@pytest.fixture
def jwt(server: AuthorizationServer, client: Client, clock: Clock) -> JWTVerifier:
    server.always(answer({"keys": [SIGNER.jwk]}))
    return JWTVerifier(
        client,
        server.url("/jwks"),
        ISSUER,
        AUDIENCE,
        services=SERVICES,
        clock=clock,
        monotonic=clock.monotonic,
    )


@pytest.fixture
def introspection(server: AuthorizationServer, client: Client, clock: Clock) -> IntrospectionVerifier:
    return IntrospectionVerifier(
        client,
        server.url("/introspect"),
        "tendon",
        "s3cret",
        audience=AUDIENCE,
        services=SERVICES,
        clock=clock,
        monotonic=clock.monotonic,
    )


@pytest.mark.parametrize(
    "claims",
    [
        # The form of most issuers (RFC 9068 2.2), without a subject, Keycloak's, Auth0's, and malformed ones.
        {"client_id": "reporting", "sub": "reporting"},
        {"client_id": "reporting", "sub": ...},
        {"client_id": ..., "azp": "reporting", "sub": UUID},
        {"client_id": "reporting", "azp": "reporting", "sub": UUID},
        {"client_id": ..., "azp": "reporting", "sub": "reporting@clients"},
        {"client_id": "reporting", "sub": None},
        # Such a client must not hold users' tokens: it is a service even so.
        {"client_id": "reporting", "sub": "alice"},
    ],
)
async def test_a_named_client_is_a_service_whatever_its_subject(
    jwt: JWTVerifier, introspection: IntrospectionVerifier, server: AuthorizationServer, claims: dict[str, object]
) -> None:
    assert await jwt.verify(SIGNER.token(claims=claims)) == Caller(None, "reporting", frozenset({READ, READ_TOKENS}))
    assert await _refusal(introspection, "opaque", server, claims) == (
        "an opaque token of a service, whose tokens must be signed",
        None,
        "reporting",
    )


@pytest.mark.parametrize(
    ("client_id", "scope", "scopes"),
    [
        ("reporting", f"{READ} {WRITE}", {READ, READ_TOKENS}),
        ("reporting", WRITE, {READ_TOKENS}),
        ("reporting", "", {READ_TOKENS}),
        ("reporting", f"{READ} read:audit write:erasure other", {READ, READ_TOKENS}),
        ("all", "", SERVICE_SCOPES),
        ("all", WRITE, {WRITE, *SERVICE_SCOPES}),
        ("only-ours", f"{READ} {WRITE}", {READ_TOKENS}),
    ],
)
async def test_what_a_service_may(jwt: JWTVerifier, client_id: str, scope: str, scopes: set[str]) -> None:
    caller = await jwt.verify(SIGNER.token(claims={"client_id": client_id, "sub": client_id, "scope": scope}))
    assert caller == Caller(None, client_id, frozenset(scopes))
    assert caller.is_service


@given(st.frozensets(st.sampled_from(KNOWN_SCOPES)), st.frozensets(st.sampled_from([*KNOWN_SCOPES, "other"])))
def test_a_service_has_nothing_that_its_entry_lacks(listed: frozenset[str], token: frozenset[str]) -> None:
    got = service_scopes(listed, token)
    assert got <= listed
    assert got & PLATFORM_SCOPES <= token
    assert got & SERVICE_SCOPES == listed & SERVICE_SCOPES


@pytest.mark.parametrize(
    ("claims", "refusal"),
    [
        ({"exp": NOW - 60}, ("expired", "alice", "app")),
        ({"nbf": NOW + 60}, ("not valid yet", "alice", "app")),
        ({"aud": "https://other.example"}, ("aud does not name TENDON_AUDIENCE", "alice", "app")),
        ({"exp": "soon"}, ("exp is malformed", "alice", "app")),
        ({"scope": 5}, ("scope is malformed", "alice", "app")),
        ({"exp": NOW - 60, "client_id": ...}, ("expired", "alice", None)),
        ({"exp": NOW - 60, "client_id": ..., "azp": "web"}, ("expired", "alice", "web")),
        ({"azp": "web"}, ("client_id and azp differ", "alice", None)),
        ({"sub": "a\nb"}, ("sub is malformed", None, "app")),
        # A client, or its service account, is not a user.
        ({"sub": "app"}, ("it names no user, and TENDON_SERVICES does not name its client", None, "app")),
        ({"sub": ...}, ("it names no user, and TENDON_SERVICES does not name its client", None, "app")),
        (
            {"sub": ..., "client_id": ...},
            ("it names no user, and TENDON_SERVICES does not name its client", None, None),
        ),
        ({"exp": NOW - 60, "client_id": "reporting"}, ("expired", None, "reporting")),
        ({"azp": "reporting"}, ("client_id and azp differ", None, None)),
    ],
)
async def test_whom_a_refused_token_was_about(
    jwt: JWTVerifier,
    introspection: IntrospectionVerifier,
    server: AuthorizationServer,
    claims: dict[str, object],
    refusal: tuple[str, str | None, str | None],
) -> None:
    """Introspection caches a refusal, so the second one is a copy."""
    assert await _refusal(jwt, SIGNER.token(claims=claims)) == refusal
    for _ in range(2):
        assert await _refusal(introspection, "opaque", server, claims) == refusal


async def test_nobody_is_known_where_nothing_is_verified(
    jwt: JWTVerifier, introspection: IntrospectionVerifier, server: AuthorizationServer
) -> None:
    """A token of another signer, of another issuer, one that the server calls inactive, and one that is malformed."""
    assert await _refusal(jwt, ecdsa("key").token()) == ("the signature is not valid", None, None)
    assert await _refusal(jwt, SIGNER.token(claims={"iss": "https://other.example"})) == (
        "iss is not TENDON_ISSUER",
        None,
        None,
    )
    assert await _refusal(jwt, "no-jwt") == ("not a JWT", None, None)
    server.always(answer({"active": False, "sub": "alice", "client_id": "app"}))
    assert await _refusal(introspection, "opaque") == (
        "the authorization server says that it is not active",
        None,
        None,
    )


@pytest.mark.parametrize("iss", [f"{ISSUER}/", f"{ISSUER}//"])
async def test_an_issuer_that_differs_in_its_last_slash(jwt: JWTVerifier, iss: str) -> None:
    reason, _, _ = await _refusal(jwt, SIGNER.token(claims={"iss": iss}))
    assert reason == "iss and TENDON_ISSUER differ in the slash at the end"


async def test_a_refusal_shows_nobody(jwt: JWTVerifier) -> None:
    with pytest.raises(InvalidToken) as raised:
        await jwt.verify(SIGNER.token(claims={"exp": NOW - 60}))
    shown = f"{raised.value!r} {raised.value} {raised.value.message} {raised.value.extensions}"
    assert "alice" not in shown
    assert "app" not in shown
    assert raised.value.__context__ is None


async def _refusal(
    verifier: Verifier,
    token: str,
    server: AuthorizationServer | None = None,
    claims: dict[str, object] | None = None,
) -> tuple[str, str | None, str | None]:
    """Reason, subject and client. With `claims` the server vouches for them as for a token of CLAIMS."""
    if server is not None:
        active: dict[str, object] = {"active": True, "sub": "alice", "client_id": "app", "exp": NOW + 600}
        members = {**active, **(claims or {})}
        server.always(answer({name: value for name, value in members.items() if value is not ...}))
    with pytest.raises(InvalidToken) as raised:
        await verifier.verify(token)
    return raised.value.reason, raised.value.subject, raised.value.client_id
