"""Work beside requests: what a worker starts when it is due.

Each kind of work has two functions in `resolvers/`, and a line in `worker/kinds.py`:

    async def due(context: Context, most: int) -> Sequence[DueWork]: ...
    async def run(context: Context, id: str) -> None: ...

`due` returns up to `most` pieces of work that are due, the longest due of each provider first: much work at a slow
provider must not hide that of others. Work that somebody has a lease on is not due. `run` does one piece. It may be
called twice for the same piece, at the same time and in several processes, and after the piece has been done, so it
takes a lease in the database before it does anything that must happen only once.
When a worker dies, its work is due again when the lease ends.
"""

from __future__ import annotations

import msgspec


class DueWork(msgspec.Struct, frozen=True):
    """A piece of work that is due. `id` names it in the database. `key` says for which time it is due: it must change
    with every attempt, such as with the number of a lease or with the time at which the work was due. `provider` is the
    one that will be asked, as `Provider.key` names it, so that a slow one holds up no other."""

    id: str
    key: str
    provider: str | None = None
