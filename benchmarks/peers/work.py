"""The description of the work for a peer: a JSON file that the harness writes, with its path in BENCH_WORK."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Work:
    """`database` is a file's path or a postgres:// URL, `key` 32 bytes as hex, `users` the user of each bearer token.

    `statements` are SQL by name, in the engine's own dialect.
    """

    engine: str
    database: str
    pool: int
    slug: str
    provider_id: str
    authorize_url: str
    token_url: str
    client_id: str
    client_secret: str
    redirect_uri: str
    registration: str
    scopes: list[str]
    key_id: str
    key: str
    users: dict[str, str]
    provider_ids: dict[str, str]
    statements: dict[str, str]


WORK = Work(**json.loads(Path(os.environ["BENCH_WORK"]).read_text(encoding="utf-8")))
