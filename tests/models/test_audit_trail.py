"""Pages of the audit trail: what each filter finds, in which order, and where the next page begins."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from models.audit_event import record
from models.audit_trail import NEWEST, EventFilter, EventPage, find_events
from models.database import Database
from tests.models.flows import entry
from tests.models.rows import now, run

ONE, TWO = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"
ALL = EventFilter()


async def add(database: Database, **values: Any) -> None:
    await record(database, entry(**values))


async def page(database: Database, wanted: EventFilter = ALL, before: int = NEWEST, most: int = 10) -> EventPage:
    return await find_events(database, wanted, before=before, most=most)


def requests(found: EventPage) -> list[str]:
    return [one.event.request_id for one in found.events]


async def test_an_event_has_all_that_was_recorded(database: Database) -> None:
    before = await now(database)
    await record(
        database, entry("replayed", action="read", actor="p-bob", user="bob", subject="p-x", connection_id=ONE), 7
    )
    (found,) = (await page(database)).events
    event = found.event
    assert before <= event.at <= await now(database)
    assert (event.action, event.outcome, event.count, event.request_id) == ("read", "replayed", 7, "r1")
    assert (event.actor, event.client_id, event.subject) == ("p-bob", "app", "p-x")
    assert (event.provider, event.connection_id, event.scopes) == ("oura", ONE, ["sleep"])
    # Only callers are mapped to users.
    assert (found.actor_user, found.subject_user) == ("bob", None)


async def test_an_event_may_say_little(database: Database) -> None:
    values = dict.fromkeys(("actor", "user", "client_id", "subject", "provider"))
    await add(database, scopes="[]", **values)
    (found,) = (await page(database)).events
    event = found.event
    assert (event.actor, event.client_id, event.subject, event.provider, event.connection_id) == (None,) * 5
    assert (event.scopes, found.actor_user, found.subject_user) == ([], None, None)


async def test_pages_follow_each_other_while_events_are_added(database: Database) -> None:
    for number in range(5):
        await add(database, request_id=f"r{number}")
    first = await page(database, most=2)
    await add(database, request_id="later")
    assert first.next is not None
    second = await page(database, before=first.next, most=2)
    assert second.next is not None
    last = await page(database, before=second.next, most=2)
    assert [requests(one) for one in (first, second, last)] == [["r4", "r3"], ["r2", "r1"], ["r0"]]
    assert last.next is None
    assert requests(await page(database, most=1)) == ["later"]


async def test_a_page_that_holds_all_is_the_last_one(database: Database) -> None:
    for _ in range(3):
        await add(database)
    assert (await page(database, most=3)).next is None
    assert (await page(database, most=2)).next is not None


async def test_an_empty_trail_has_one_page(database: Database) -> None:
    for wanted in (ALL, EventFilter(["p-alice"]), EventFilter(["p-alice", "p-other"], ONE, "read"), EventFilter([])):
        assert await page(database, wanted) == EventPage([], None)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (EventFilter(["p-alice"]), ["r4", "r2", "r1"]),
        (EventFilter(["p-alice", "p-former"]), ["r4", "r3", "r2", "r1"]),
        (EventFilter(connection_id=ONE), ["r5", "r2"]),
        (EventFilter(action="read"), ["r6", "r4"]),
        (EventFilter(["p-alice"], action="read"), ["r4"]),
        (EventFilter(["p-alice"], ONE, "complete"), ["r2"]),
        (EventFilter(["p-alice"], TWO), []),
        (EventFilter([]), []),
    ],
)
async def test_what_a_filter_finds(database: Database, wanted: EventFilter, found: list[str]) -> None:
    await add(database, request_id="r1")
    await add(database, request_id="r2", connection_id=ONE)
    await add(database, request_id="r3", subject="p-former")
    await add(database, request_id="r4", action="read", actor=None, user=None)
    await add(database, request_id="r5", subject="p-bob", connection_id=ONE)
    await add(database, request_id="r6", subject=None, action="read", connection_id=TWO)
    assert requests(await page(database, wanted)) == found
    # One by one.
    walked, before = list[str](), NEWEST
    while (one := await page(database, wanted, before, most=1)).events:
        walked += requests(one)
        if one.next is None:
            break
        before = one.next
    assert walked == found


@pytest.mark.parametrize("subjects", [None, ["p-alice"], ["p-alice", "p-other"]])
async def test_a_page_tests_a_limited_number_of_events(database: Database, subjects: list[str] | None) -> None:
    """However rare the event is that it looks for. It says where to go on, and nothing is found twice or missed."""
    for number in range(1, 11):
        rare = number in {2, 3, 9}
        await add(database, request_id=f"r{number}", action="erase" if rare else "read")
    wanted = EventFilter(subjects, action="erase")
    pages: list[list[str]] = []
    before: int | None = NEWEST
    while before is not None:
        found = await find_events(database, wanted, before=before, most=5, tested=4)
        pages.append(requests(found))
        before = found.next
    assert pages == [["r9"], ["r3"], ["r2"]]


async def test_two_pseudonyms_are_tested_to_the_same_id(database: Database) -> None:
    """One of them has many events, and the other one few older ones, which must not be skipped."""
    await add(database, request_id="old", subject="p-former", action="erase")
    for number in range(6):
        await add(database, request_id=f"r{number}", action="erase" if number == 0 else "read")
    wanted = EventFilter(["p-former", "p-alice"], action="erase")
    first = await find_events(database, wanted, before=NEWEST, most=5, tested=3)
    assert requests(first) == []
    assert first.next is not None
    rest = await find_events(database, wanted, before=first.next, most=5, tested=3)
    assert requests(rest) == ["r0", "old"]
    assert rest.next is None


async def test_each_of_two_pseudonyms_is_tested_for_a_limited_number_of_events(database: Database) -> None:
    for number in range(8):
        subject = "p-former" if number < 4 else "p-alice"
        await add(database, request_id=f"r{number}", subject=subject, action="erase")
    wanted = EventFilter(["p-former", "p-alice"], action="erase")
    first = await find_events(database, wanted, before=NEWEST, most=9, tested=3)
    assert requests(first) == ["r7", "r6", "r5"]


async def test_what_an_index_decides_is_not_limited(database: Database) -> None:
    for number in range(5):
        await add(database, request_id=f"r{number}")
    for wanted in (ALL, EventFilter(["p-alice"])):
        found = await find_events(database, wanted, before=NEWEST, most=9, tested=2)
        assert (len(found.events), found.next) == (5, None)


async def test_a_forgotten_user_is_not_named(database: Database) -> None:
    await add(database)
    await run(database, "DELETE FROM audit_subject")
    (found,) = (await page(database, EventFilter(["p-alice"]))).events
    assert (found.event.actor, found.event.subject) == ("p-alice", "p-alice")
    assert (found.actor_user, found.subject_user) == (None, None)


async def test_the_time_is_in_utc(database: Database) -> None:
    await add(database)
    (found,) = (await page(database)).events
    assert abs((found.event.at - datetime.now(UTC)).total_seconds()) < 3600
    assert found.event.at.utcoffset() == datetime.now(UTC).utcoffset()
