"""What both FastAPI peers share: the bodies as pydantic models, and the bearer token as a dependency."""

from __future__ import annotations

from typing import Annotated

from authlib.integrations.httpx_client import AsyncOAuth2Client
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from benchmarks.peers.work import WORK

_bearer = HTTPBearer()


class Shape(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class AuthorizeIn(Shape):
    provider: str = Field(min_length=1, max_length=63)
    redirect_uri: str = Field(min_length=1, max_length=2048)


class AuthorizeOut(Shape):
    url: str
    state: str


class CallbackIn(AuthorizeIn):
    code: str = Field(min_length=1, max_length=8192)
    state: str = Field(min_length=1, max_length=512)


class ConnectionOut(Shape):
    id: str
    user_id: str
    provider_id: str
    provider_slug: str
    status: str
    last_sync_at: str | None
    created_at: str


class CallbackOut(Shape):
    connection: ConnectionOut


class ListOut(Shape):
    connections: list[ConnectionOut]


async def current_user(credentials: Annotated[HTTPAuthorizationCredentials, Depends(_bearer)]) -> str:
    user = WORK.users.get(credentials.credentials)
    if user is None:
        raise HTTPException(401)
    return user


User = Annotated[str, Depends(current_user)]


def oauth_client(**options: object) -> AsyncOAuth2Client:
    """The client for the one provider, which keeps its connections open."""
    return AsyncOAuth2Client(
        WORK.client_id,
        WORK.client_secret,
        token_endpoint_auth_method="client_secret_basic",
        redirect_uri=WORK.redirect_uri,
        scope=WORK.scopes,
        code_challenge_method="S256",
        timeout=10,
        **options,
    )
