"""Exports the audit trail: writes the lines of new events, and then records how far it got.

Nothing is recorded before all lines are durable. So an export that is killed leaves out no event: the next one begins
where the last recorded one ended. Several can run at the same time: each checks at the end that no other was recorded
since it began.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from gateway.audit_chain import Link, end_line, event_line
from gateway.audit_output import ExportError, Output
from models.audit_event import StoredEvent
from models.audit_export import (
    NONE_YET,
    StoredExport,
    add_export,
    all_exports,
    find_events,
    last_export,
    last_taken_id,
    recording,
    settled,
)
from models.clock import read_clock
from models.database import Database

_BATCH: Final = 1000


class Exported(msgspec.Struct, frozen=True):
    """What was exported: `last` is the row of the last export, `start` that of the one before the first.

    If `open_process` is set, a transaction of that process (0 if it has none) may still add events, so those after them
    were left for the next export.
    """

    start: StoredExport
    last: StoredExport
    open_process: int | None = None


async def export_new(database: Database, output: Output, patience: float) -> Exported:
    """Exports all events that were not exported before, and for which no other event can come that belongs before them.
    Waits up to `patience` seconds for transactions that may add one. Raises DatabaseDown and ExportError."""
    start = await last_export(database)
    link, last_id = output.resume(start)
    found = await settled(database, start.last_id, patience)
    await _check_ids(database, output, max(last_id, found.last_id))
    async for event in _events(database, last_id, found.last_id):
        if found.open_process is not None and event.id != last_id + 1:
            # The transaction may have this id.
            break
        line, link = event_line(link, event)
        output.write(line)
        last_id = event.id
    held_by = None if last_id >= found.last_id else found.open_process
    if link == Link.of(start):
        output.discard()
        return Exported(start, start, held_by)
    now = await read_clock(database)
    line, link = end_line(link, start, now)
    output.write(line)
    export = StoredExport(start.number + 1, last_id, link.number, link.digest, now)
    async with recording(database) as transaction:
        if await last_export(transaction) != start:
            output.discard()
            raise ExportError(
                "another export of the same events has ended meanwhile: discard this one, and run it again if there are"
                " new events"
            )
        output.publish()
        await add_export(transaction, export)
    return Exported(start, export, held_by)


async def export_again(database: Database, output: Output, after: int) -> Exported:
    """Writes once more what was exported after the line with this number, and records nothing. Raises DatabaseDown, and
    ExportError if an event was changed or deleted since."""
    exports = [NONE_YET, *await all_exports(database)]
    place = next((place for place, export in enumerate(exports) if export.lines == after), None)
    if place is None:
        ends = ", ".join(str(export.lines) for export in exports[-5:])
        raise ExportError(f"no export ended with line {after}: use the number of its last line; the latest are {ends}")
    start = exports[place]
    output.restart()
    for before, export in zip(exports[place:], exports[place + 1 :], strict=False):
        await _write_again(database, output, before, export)
    if start == exports[-1]:
        output.discard()
    else:
        output.publish()
    return Exported(start, exports[-1])


async def _write_again(database: Database, output: Output, before: StoredExport, export: StoredExport) -> None:
    link = Link.of(before)
    async for event in _events(database, before.last_id, export.last_id):
        line, link = event_line(link, event)
        output.write(line)
    # Every stored export has a time.
    line, link = end_line(link, before, export.exported_at or await read_clock(database))
    output.write(line)
    if link != Link.of(export):
        output.discard()
        raise ExportError(
            f"the events of export {export.number} are no longer those that were exported: rows of audit_event were"
            " deleted or changed since"
        )


async def _check_ids(database: Database, output: Output, highest: int) -> None:
    """Raises ExportError if the sequence has not reached this id: events that are added from now on would have lower
    ids, and no export would take them."""
    taken = await last_taken_id(database)
    if taken is not None and highest > taken:
        output.discard()
        raise ExportError(
            f"the id {highest} does not come from the sequence of audit_event, which has reached {taken}: nothing is"
            ' exported until that is corrected; see "Exporting it" in docs/operating.md'
        )


async def _events(database: Database, after: int, until: int) -> AsyncIterator[StoredEvent]:
    while events := await find_events(database, after, until, _BATCH):
        for event in events:
            yield event
        after = events[-1].id
