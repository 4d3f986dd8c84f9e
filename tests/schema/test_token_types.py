"""What is said of an access token where only its representation is shown."""

from __future__ import annotations

from resolvers.tokens.issue import ApiHeader, IssuedToken
from schema.token_types import IssueAccessTokenPayload


def test_no_secret_is_in_a_representation() -> None:
    headers = [ApiHeader("X-Key", "CANARY-key")]
    payload = IssueAccessTokenPayload.of(IssuedToken("CANARY-token", None, ["sleep"], "https://acme.example", headers))
    assert repr(payload) == "IssueAccessTokenPayload()"
    assert repr(payload.api_headers) == "[ApiHeader(name='X-Key')]"
