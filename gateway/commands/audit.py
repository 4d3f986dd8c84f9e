"""`tendon audit`: exports the audit trail, and checks what was exported."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from gateway import logs
from gateway.audit_chain import BrokenChain, Chain
from gateway.audit_export import Exported, export_again, export_new
from gateway.audit_output import ExportError, StandardOutput, lines_of, open_file
from gateway.database_check import open_for_export
from gateway.output import discard, print_result
from gateway.settings import ExportSettings, read_export_settings
from models.database import DatabaseDown, Limits

_FAILED: Final = 1
_UNREADABLE: Final = 2


def run(*, task: str, **options: Any) -> None:
    """Exits with status 1 when an export fails or a chain is broken, and with status 2 when something can't be read."""
    if task == "verify":
        sys.exit(_verify(**options))
    settings = read_export_settings()
    logs.set_up(settings.log_level)
    try:
        exported = asyncio.run(_export(settings, **options))
    except ExportError as fault:
        _say(f"tendon audit export: {fault}")
        if options["out"] is None:
            # It may be what could not be written.
            discard(sys.stdout)
        sys.exit(_FAILED)
    _say(_summary(exported, options["out"]))


async def _export(settings: ExportSettings, *, out: Path | None, after: int | None) -> Exported:
    limits = Limits(connections=1, seconds=settings.database_timeout)
    async with open_for_export(settings.database_url, limits) as database:
        try:
            # Before the database is asked, so that nobody else is writing to the file from then on.
            with nullcontext(StandardOutput()) if out is None else open_file(out) as output:
                if after is not None:
                    return await export_again(database, output, after)
                return await export_new(database, output, settings.database_timeout)
        except DatabaseDown as fault:
            raise ExportError(f"the database failed ({fault.reason}): run it again, with the same file") from None


def _summary(exported: Exported, out: Path | None) -> str:
    start, last = exported.start, exported.last
    if start == last:
        text = "nothing to export"
    else:
        # Each export has one line that is no event.
        events = last.lines - start.lines - (last.number - start.number)
        text = (
            f"{out or 'standard output'}: {events:,} events, lines {start.lines + 1} to {last.lines}; the digest of the"
            f" last line is {last.digest}"
        )
    if exported.open_process is not None:
        session = f"of process {exported.open_process}" if exported.open_process else "that was prepared"
        text += f"\na transaction {session} has not ended: events that may follow its own are left for the next export"
    return text


def _verify(files: Sequence[str]) -> int:
    """The exit status."""
    chain = Chain()
    for name in files:
        events, last = chain.events, chain.last
        try:
            with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
                fault = _check(chain, file)
        except OSError as error:
            _say(f"{name} can't be read: {error.strerror}")
            return _UNREADABLE
        if fault is not None or chain.last is None:
            _say(f"{name}: {fault}")
            return _FAILED
        first = last.number + 1 if last else chain.first
        print_result(f"{name}: {chain.events - events:,} events, lines {first} to {chain.last.number}")
    print_result("\n".join(_conclusion(chain)))
    return 0


def _conclusion(chain: Chain) -> Iterator[str]:
    if chain.first != 1:
        yield f"Nothing is wrong from line {chain.first} on. The lines before it are in earlier files."
    else:
        yield "Nothing is wrong."
    if chain.last is not None:
        yield f"The digest of the last line is {chain.last.digest}: compare it with the one that the export printed."


def _check(chain: Chain, file: BinaryIO) -> str | None:
    """What is wrong with the first bad line of a file, None if all of it is good."""
    number = 0
    try:
        for line in lines_of(file):
            number += 1
            chain.add(line)
    except BrokenChain as fault:
        return f"line {number} {fault}"
    try:
        chain.end_file()
    except BrokenChain as fault:
        return str(fault)
    return None if number else "the file is empty"


def _say(text: str) -> None:
    """Not on standard output, which may be the export."""
    with suppress(OSError):
        print(text, file=sys.stderr)  # noqa: T201 - for the terminal
