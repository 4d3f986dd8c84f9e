"""The kinds of work. To add one, add a line to KINDS; `resolvers/due_work.py` says what its functions must do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from resolvers import clearing
from resolvers.context import Context
from resolvers.due_work import DueWork
from resolvers.ending import delivery, forgetting
from resolvers.tokens import ahead


class Kind(msgspec.Struct, frozen=True):
    """`due` and `run` are described in `resolvers/due_work.py`. A worker runs up to SLOTS pieces (`worker/engine.py`)
    at the same time for each provider, and each for up to `seconds`."""

    name: str
    due: Callable[[Context, int], Awaitable[Sequence[DueWork]]]
    run: Callable[[Context, str], Awaitable[None]]
    seconds: float = 120


KINDS: Final = (
    Kind("clear", clearing.due, clearing.run),
    Kind("refresh", ahead.due, ahead.refresh_ahead),
    Kind("revoke", delivery.due, delivery.deliver),
    Kind("forget", forgetting.due, forgetting.forget),
)
