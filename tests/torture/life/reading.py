"""Reading what there is in the end: the provider's log and consents, the rows, and plain tokens where none may be."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from itertools import chain
from typing import Any
from uuid import UUID

from models.connection import token_field
from tests.sandbox_control import token_id
from tests.torture.history import History
from tests.torture.life.record import Act, Call, Family, Record, Revocation, Row, Token
from tests.torture.life.storage import files_of, readable_tokens
from tests.torture.life.world import SENDER, TIMING, World


async def read(world: World, history: History, acts: Sequence[Act], settled: float = math.inf) -> Record:
    """All of it. With `settled` missing, what there is so far, without what is stored."""
    start = history.start
    calls = [_call(one, start) for one in await world.control("GET", "calls")]
    given = Record(TIMING, settled, world.provider.only_tokens, list(acts), list(history.disturbances), calls)
    if settled == math.inf:
        return given
    grants, tokens = await world.control("GET", "grants"), await world.sandbox.tokens()
    given.families.update((one.number, one) for grant in grants for one in _families(grant, start))
    given.tokens.update(
        (one["id"], Token(one["id"], one["family"], one["expires_at"] - start)) for one in tokens if one["expires_at"]
    )
    given.tokens.update(
        (one["id"], Token(one["id"], one["family"], math.inf)) for one in tokens if not one["expires_at"]
    )
    given.rows.extend([_row(world, row) for row in await world.database.rows("connection")])
    given.revocations.extend([_revocation(row) for row in await world.database.rows("revocation")])
    logs = (member.log for member in world.processes)
    places = chain(files_of(world.database), logs)
    given.leaks.extend(await asyncio.to_thread(readable_tokens, places, {one["value"] for one in tokens}))
    return given


def _call(one: dict[str, Any], start: float) -> Call:
    def moment(name: str) -> float | None:
        return None if one[name] is None else one[name] - start

    return Call(
        seq=one["seq"],
        endpoint=one["endpoint"],
        grant_type=one["grant_type"],
        family=one["family"],
        sent=one["sent"],
        issued=tuple(one["issued"]),
        at=one["time"] - start,
        closed=moment("closed_at"),
        hung_up=moment("hung_up_at"),
        outcome=one["outcome"],
        fault=one["fault"],
        reuse=one["reuse"],
        ended=tuple(one["ended"]),
        via=one["form"].get(SENDER),
    )


def _families(grant: dict[str, Any], start: float) -> list[Family]:
    return [
        Family(
            one["family"],
            grant["slug"],
            grant["account"],
            one["ended"],
            None if one["ended_at"] is None else one["ended_at"] - start,
        )
        for one in grant["families"]
    ]


def _row(world: World, row: dict[str, Any]) -> Row:
    def opened(column: str) -> str | None:
        if row[column] is None:
            return None
        about = token_field(row["user_id"], row["provider"], row["version"], column)
        return token_id(world.vault.open(row[column], **about))

    return Row(
        id=str(UUID(str(row["id"]))),
        user=row["user_id"],
        provider=row["provider"],
        status=row["status"],
        reason=row["status_reason"],
        access=opened("access_token"),
        refresh=opened("refresh_token"),
        unsure=row["unsure"],
    )


def _revocation(row: dict[str, Any]) -> Revocation:
    return Revocation(str(row["connection_id"]), row["provider"], row["status"])
