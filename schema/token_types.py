"""The GraphQL types for issuing access tokens."""

from __future__ import annotations

from datetime import datetime

import strawberry

from resolvers.tokens.issue import IssuedToken


@strawberry.input(description="The connection whose access token is asked for.")
class IssueAccessTokenInput:
    connection_id: strawberry.ID
    scopes: list[str] | None = strawberry.field(
        default=strawberry.UNSET,
        description="The scopes that the token must have. SCOPES_MISSING if the user did not grant all of them.",
    )
    rejected_token: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The token that the provider's API has just rejected, if any. If the connection still has it, it is"
        " refreshed before its time. Safe to send again.",
    )


@strawberry.type(description="A header field that the provider's API requires.")
class ApiHeader:
    name: str
    value: str = strawberry.field(description="It may be a secret of this service's, such as a subscription key.")

    def __repr__(self) -> str:
        return f"ApiHeader(name={self.name!r})"


@strawberry.type(description="An access token (RFC 6750). Keep it in memory only, and ask again when it has expired.")
class IssueAccessTokenPayload:
    access_token: str
    token_type: str = strawberry.field(description="Always `Bearer`.")
    expires_at: datetime | None = strawberry.field(
        description="When the token expires. Null if it never expires, or the provider doesn't say."
    )
    scopes: list[str] = strawberry.field(description="The scopes that the user granted.")
    api_base: str | None = strawberry.field(description="The URL of the provider's API. Null if it isn't known.")
    api_headers: list[ApiHeader] = strawberry.field(
        description="The header fields that the API requires in addition to `Authorization`, for most providers none."
    )

    def __repr__(self) -> str:
        """Without the token."""
        return "IssueAccessTokenPayload()"

    @classmethod
    def of(cls, token: IssuedToken) -> IssueAccessTokenPayload:
        return cls(
            access_token=token.access_token,
            token_type=token.token_type,
            expires_at=token.expires_at,
            scopes=token.scopes,
            api_base=token.api_base,
            api_headers=[ApiHeader(name=each.name, value=each.value) for each in token.api_headers],
        )
