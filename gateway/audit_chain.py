"""The lines of an exported audit trail, and the chain that they form.

    {"number":17,"previous":"…","event":{"id":20,…},"digest":"…"}
    {"number":18,"previous":"…","end":{"export":2,"first":9,"events":9,"at":"…"},"digest":"…"}

Lines are numbered through all exports, and each export ends with a line that says so. `digest` is the SHA-256 of the
line before `,"digest"`. It covers `previous`, the digest of the line before; the first of all lines has 64 zeros there.
So no line can be changed, removed, added or moved without changing the digests of all lines after it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from models.audit_event import StoredEvent
from models.audit_export import NONE_YET, StoredExport

LONGEST: Final = 1 << 20
"""No line has as many bytes: those of an event are limited by the columns of its row."""

_LINE: Final = re.compile(rb'\{"number":([1-9]\d{0,17}),"previous":"([0-9a-f]{64})","(event|end)":(\{.*\})', re.DOTALL)
_DIGEST: Final = re.compile(rb',"digest":"([0-9a-f]{64})"\}\n')
_DIGEST_BYTES: Final = len(',"digest":""}\n') + 64


class BrokenChain(Exception):
    """A line is not the one that was exported there. The message says what is wrong with it."""


class Link(msgspec.Struct, frozen=True):
    """The place of a line in the chain: its number and its digest."""

    number: int = NONE_YET.lines
    digest: str = NONE_YET.digest

    @classmethod
    def of(cls, export: StoredExport) -> Link:
        """The last line of an export."""
        return cls(export.lines, export.digest)


def event_line(after: Link, event: StoredEvent) -> tuple[bytes, Link]:
    """The line of an event, and its place."""
    return _line(
        after,
        "event",
        {
            "id": event.id,
            "at": _moment(event.at),
            "action": event.action,
            "outcome": event.outcome,
            "actorPseudonym": event.actor,
            "clientId": event.client_id,
            "subjectPseudonym": event.subject,
            "provider": event.provider,
            "connectionId": event.connection_id,
            "scopes": event.scopes,
            "count": event.count,
            "requestId": event.request_id,
        },
    )


def end_line(after: Link, start: StoredExport, at: datetime) -> tuple[bytes, Link]:
    """The last line of the export that follows `start`."""
    events = after.number - start.lines
    about = {"export": start.number + 1, "first": start.lines + 1, "events": events, "at": _moment(at)}
    return _line(after, "end", about)


def _line(after: Link, kind: str, content: Mapping[str, Any]) -> tuple[bytes, Link]:
    number = after.number + 1
    line = json.dumps({"number": number, "previous": after.digest, kind: content}, separators=(",", ":"))
    digest = hashlib.sha256(line[:-1].encode()).hexdigest()
    return f'{line[:-1]},"digest":"{digest}"}}\n'.encode(), Link(number, digest)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Line(msgspec.Struct, frozen=True):
    """A line that was read. `content` is JSON."""

    link: Link
    previous: str
    is_end: bool
    content: bytes

    @classmethod
    def read(cls, line: bytes) -> Line:
        """A line with its line break. Raises BrokenChain unless its digest fits its content."""
        if len(line) >= LONGEST:
            raise BrokenChain("is longer than any line of an export")
        if not line.endswith(b"\n"):
            raise BrokenChain("is cut off")
        head, tail = line[:-_DIGEST_BYTES], line[-_DIGEST_BYTES:]
        found, digest = _LINE.fullmatch(head), _DIGEST.fullmatch(tail)
        if not found or not digest:
            raise BrokenChain("is not a line of an export")
        number, previous, kind, content = found.groups()
        if hashlib.sha256(head).hexdigest().encode() != digest[1]:
            raise BrokenChain("has been changed: its digest doesn't fit its content")
        return cls(Link(int(number), digest[1].decode()), previous.decode(), kind == b"end", content)

    @property
    def values(self) -> dict[str, Any]:
        """Raises BrokenChain."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            raise BrokenChain("is not a line of an export") from None


class Chain:
    """Follows the lines of one or more exports, one by one. Without `last`, it begins wherever the first line says."""

    def __init__(self, last: Link | None = None) -> None:
        self.last = last
        self.first = last.number + 1 if last else None
        """The number of the first line."""
        self.events = 0
        self._exported = 0
        self._complete = True

    def add(self, text: bytes) -> Line:
        """The line, if it is the next one. Raises BrokenChain."""
        line = Line.read(text)
        self._check_place(line)
        if self._complete:
            self._exported = 0
        if line.is_end:
            self._check_end(line)
        else:
            self._exported += 1
            self.events += 1
        self._complete = line.is_end
        self.first = self.first or line.link.number
        self.last = line.link
        return line

    def end_file(self) -> None:
        """Raises BrokenChain unless the last line ends an export."""
        if not self._complete:
            raise BrokenChain("the file ends in the middle of an export: lines are missing after its last one")

    def _check_place(self, line: Line) -> None:
        number, last = line.link.number, self.last
        if last is None:
            if number == 1 and line.previous != NONE_YET.digest:
                raise BrokenChain("is the first of all lines, but refers to one before it")
            return
        place = f"has the number {number}, but follows line {last.number}"
        if number > last.number + 1:
            missing = range(last.number + 1, number)
            lines = f"line {missing[0]} is" if len(missing) == 1 else f"lines {missing[0]} to {missing[-1]} are"
            raise BrokenChain(f"{place}: {lines} missing before it")
        if number <= last.number:
            raise BrokenChain(f"{place}: it is repeated, or in the wrong place")
        if line.previous != last.digest:
            raise BrokenChain(f"does not continue line {last.number}: one of the two was replaced")

    def _check_end(self, line: Line) -> None:
        """The first file may lack lines at its beginning, which only the end of the export tells."""
        about = line.values
        first, events = about.get("first"), about.get("events")
        if first != line.link.number - self._exported:
            raise BrokenChain(f"ends an export that begins with line {first}: lines are missing at the beginning")
        if events != self._exported:
            raise BrokenChain(f"ends an export of {events} events, but {self._exported} precede it")
