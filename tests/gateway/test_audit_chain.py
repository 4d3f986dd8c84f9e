"""The chain of an exported audit trail: its lines to the byte, and each way to tamper with them."""

from __future__ import annotations

import hashlib
import json
import re
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from gateway.audit_chain import LONGEST, BrokenChain, Chain, Link, end_line, event_line
from models.audit_event import StoredEvent
from models.audit_export import NONE_YET, StoredExport

AT = datetime(2026, 11, 30, 9, 0, 0, 123456, tzinfo=UTC)
ZEROS = "0" * 64


def event(id_: int = 1, **changes: Any) -> StoredEvent:
    values: dict[str, Any] = {
        "id": id_,
        "at": AT,
        "action": "complete",
        "outcome": "ok",
        "actor": "a" * 32,
        "client_id": "app",
        "subject": "b" * 32,
        "provider": "oura",
        "connection_id": "00000000-0000-7000-8000-000000000001",
        "scopes": ["sleep"],
        "count": 1,
        "request_id": "r1",
    }
    return StoredEvent(**values | changes)


def export(ids: Sequence[int], start: StoredExport = NONE_YET) -> tuple[list[bytes], StoredExport]:
    """The lines, and the row."""
    link, lines = Link.of(start), list[bytes]()
    for id_ in ids:
        line, link = event_line(link, event(id_))
        lines.append(line)
    line, link = end_line(link, start, AT)
    return [*lines, line], StoredExport(start.number + 1, ids[-1], link.number, link.digest, AT)


FIRST, STORED = export([1, 2, 4])
SECOND, _ = export([5, 8], STORED)


def fault(*files: Sequence[bytes]) -> str | None:
    """What is wrong with the first bad line, with its place."""
    chain = Chain()
    for number, lines in enumerate(files, 1):
        place = 0
        try:
            for place, line in enumerate(lines, 1):  # noqa: B007 - used below
                chain.add(line)
        except BrokenChain as broken:
            return f"{number}:{place} {broken}"
        try:
            chain.end_file()
        except BrokenChain as broken:
            return f"{number} {broken}"
    return None


def forged(line: bytes, **changes: Any) -> bytes:
    """With other content and a digest that fits."""
    values = json.loads(line)
    del values["digest"]
    head = json.dumps(values | changes, separators=(",", ":"))[:-1]
    return f'{head},"digest":"{hashlib.sha256(head.encode()).hexdigest()}"}}\n'.encode()


def test_the_lines_of_an_export() -> None:
    head = (
        f'{{"number":1,"previous":"{ZEROS}","event":{{"id":1,"at":"2026-11-30T09:00:00.123456Z","action":"complete",'
        f'"outcome":"ok","actorPseudonym":"{"a" * 32}","clientId":"app","subjectPseudonym":"{"b" * 32}",'
        '"provider":"oura","connectionId":"00000000-0000-7000-8000-000000000001","scopes":["sleep"],"count":1,'
        '"requestId":"r1"}'
    )
    digest = hashlib.sha256(head.encode()).hexdigest()
    assert FIRST[0].decode() == f'{head},"digest":"{digest}"}}\n'
    assert json.loads(FIRST[1])["previous"] == digest
    assert json.loads(FIRST[3])["end"] == {
        "export": 1,
        "first": 1,
        "events": 3,
        "at": "2026-11-30T09:00:00.123456Z",
    }
    assert json.loads(SECOND[2])["end"] | {"at": ""} == {"export": 2, "first": 5, "events": 2, "at": ""}
    assert (STORED.number, STORED.lines, STORED.digest) == (1, 4, json.loads(FIRST[3])["digest"])


def test_a_line_may_say_little_and_anything() -> None:
    nothing = dict.fromkeys(("actor", "client_id", "subject", "provider", "connection_id"))
    line, _ = event_line(Link(), event(**nothing, scopes=[]))
    assert json.loads(line)["event"]["clientId"] is None
    at = AT.astimezone(timezone(timedelta(hours=5)))
    line, link = event_line(Link(), event(client_id='"}\n\u2028é\ud800,"digest":"', at=at))
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert json.loads(line)["event"]["clientId"] == '"}\n\u2028é\ud800,"digest":"'
    assert json.loads(line)["event"]["at"] == "2026-11-30T09:00:00.123456Z"
    assert Chain().add(line).link == link


def test_a_good_chain() -> None:
    assert fault(FIRST) is None
    assert fault(FIRST, SECOND) is None
    assert fault([*FIRST, *SECOND]) is None
    # The first file may be lost.
    assert fault(SECOND) is None
    chain = Chain()
    for line in (*FIRST, *SECOND):
        chain.add(line)
    assert (chain.first, chain.events, chain.last and chain.last.number) == (1, 5, 7)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        # Changed.
        ([[FIRST[0], FIRST[1].replace(b"oura", b"ours"), *FIRST[2:]]], "1:2 has been changed: its digest doesn't fit"),
        ([[FIRST[0].replace(b'"count":1', b'"count":2'), *FIRST[1:]]], "1:1 has been changed"),
        (
            [[FIRST[0], forged(FIRST[1], event={}), *FIRST[2:]]],
            "1:3 does not continue line 2: one of the two was",
        ),
        ([[*FIRST[:3], forged(FIRST[3], end={"first": 1, "events": 3})], SECOND], "2:1 does not continue line 4"),
        ([[*FIRST[:3], forged(FIRST[3], end={"first": 1, "events": 4})]], "1:4 ends an export of 4 events, but 3 prec"),
        ([[*FIRST[:3], forged(FIRST[3], end={"first": 1})]], "1:4 ends an export of None events, but 3 precede it"),
        # Removed.
        ([FIRST[1:]], "1:3 ends an export that begins with line 1: lines are missing at the beginning"),
        ([SECOND[1:]], "1:2 ends an export that begins with line 5"),
        ([[FIRST[0], *FIRST[2:]]], "1:2 has the number 3, but follows line 1: line 2 is missing before it"),
        ([[FIRST[0], FIRST[3]]], "1:2 has the number 4, but follows line 1: lines 2 to 3 are missing before it"),
        ([FIRST[:3]], "1 the file ends in the middle of an export: lines are missing after its last one"),
        ([FIRST[:2], SECOND], "1 the file ends in the middle of an export"),
        ([FIRST, SECOND[1:]], "2:1 has the number 6, but follows line 4: line 5 is missing before it"),
        ([FIRST, SECOND[:1]], "2 the file ends in the middle of an export"),
        # Moved, repeated or added.
        ([[FIRST[1], FIRST[0], *FIRST[2:]]], "1:2 has the number 1, but follows line 2: it is repeated, or in the wr"),
        ([[FIRST[0], FIRST[0], *FIRST[1:]]], "1:2 has the number 1, but follows line 1: it is repeated"),
        ([SECOND, FIRST], "2:1 has the number 1, but follows line 7: it is repeated, or in the wrong place"),
        ([FIRST, FIRST], "2:1 has the number 1, but follows line 4: it is repeated"),
        ([[FIRST[0], forged(FIRST[0], number=2), *FIRST[1:]]], "1:2 does not continue line 1"),
        (
            [[forged(FIRST[0], previous="1" * 64), *FIRST[1:]]],
            "1:1 is the first of all lines, but refers to one before",
        ),
        # Not lines of an export.
        ([[FIRST[0], b"\n", *FIRST[1:]]], "1:2 is not a line of an export"),
        ([[b"{}\n"]], "1:1 is not a line of an export"),
        ([[FIRST[0][:-1]]], "1:1 is cut off"),
        ([[FIRST[0][:-1] + b" \n"]], "1:1 is not a line of an export"),
        ([[b" " + FIRST[0]]], "1:1 is not a line of an export"),
        ([[forged(FIRST[0], number=0)]], "1:1 is not a line of an export"),
        ([[forged(FIRST[0], number="1")]], "1:1 is not a line of an export"),
        ([[forged(FIRST[0], note="x")]], None),
        ([[b"x" * LONGEST]], "1:1 is longer than any line of an export"),
    ],
)
def test_what_is_wrong_with_a_chain(files: list[list[bytes]], found: str | None) -> None:
    told = fault(*files)
    assert told is not None
    assert found is None or told.startswith(found), told


def test_every_changed_byte_is_noticed() -> None:
    line = FIRST[0]
    for place in range(len(line)):
        changed = line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :]
        assert fault([changed, *FIRST[1:]]) is not None, place


def test_an_end_that_is_no_object() -> None:
    line = FIRST[3].replace(b'"at":', b'"at"')
    head = re.sub(rb',"digest".*', b"", line, flags=re.DOTALL)
    digest = hashlib.sha256(head).hexdigest()
    assert fault([*FIRST[:3], head + f',"digest":"{digest}"}}\n'.encode()]) == "1:4 is not a line of an export"


def test_the_memory_for_a_long_chain_is_constant() -> None:
    chain, link = Chain(), Link()
    tracemalloc.start()
    try:
        for number in range(2000):
            line, link = event_line(link, event(number))
            chain.add(line)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
