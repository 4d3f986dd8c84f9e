"""The ORM with connections of its own, for what only tests ask of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tortoise.backends.base.config_generator import expand_db_url
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.context import TortoiseContext

from models.migrating import APPS


@asynccontextmanager
async def orm_of(url: str) -> AsyncGenerator[TortoiseContext]:
    """Its models, on the database of this URL, while the block runs."""
    # It keeps statements by the name of the connection, and so those of another engine.
    EXECUTOR_CACHE.clear()
    async with TortoiseContext() as orm:
        await orm.init({"connections": {"default": expand_db_url(url)}, "apps": APPS}, use_tz=True)
        yield orm
