"""The order in which root fields run, by a plan and by graphql-core."""

from __future__ import annotations

from tests.schema.plans.compared import same


async def test_asynchronous_queries_run_concurrently_after_all_others() -> None:
    ran = await same('{ a: lateItem(says: "1") { label } b: lateItem(says: "2") { label } item(says: "3") { label } }')
    starts, ends = ["lateItem 1 begins", "lateItem 2 begins"], ["lateItem 1 ends", "lateItem 2 ends"]
    assert ran.events == ["item 3", *starts, *ends]
    assert list(ran.data) == ["a", "b", "item"]
    alone = await same('{ a: lateItem(says: "1") { label } item(says: "3") { label } __typename }')
    assert alone.events == ["item 3", "lateItem 1 begins", "lateItem 1 ends"]
    assert list(alone.data) == ["a", "item", "__typename"]


async def test_mutations_run_one_after_the_other() -> None:
    late = 'lateNote(says: "%s") { label }'
    ran = await same('mutation { a: %s note(says: "2") { label } __typename c: %s }' % (late % 1, late % 3))
    notes = [[f"lateNote {number} begins", f"lateNote {number} ends"] for number in (1, 3)]
    assert ran.events == [*notes[0], "note 2", *notes[1]]
    assert list(ran.data) == ["a", "note", "__typename", "c"]


async def test_a_mutation_that_fails_and_may_be_null_stops_nothing() -> None:
    ran = await same('mutation { lateNote(says: "raises") { label } note(says: "2") { label } }')
    assert ran.data == {"lateNote": None, "note": {"label": "a label"}}
    assert [error["path"] for error, _ in ran.errors] == [["lateNote"]]


async def test_a_mutation_that_must_not_be_null_stops_those_that_follow() -> None:
    needed = 'neededNote(says: "raises") { label }'
    ran = await same('mutation { note(says: "raises") { label } %s n: note(says: "2") { label } }' % needed)
    assert ran.data is None
    assert [error["path"] for error, _ in ran.errors] == [["note"], ["neededNote"]]
    assert ran.events == ["note raises", "neededNote raises begins", "neededNote raises ends"]


async def test_a_query_that_must_not_be_null_cancels_the_others() -> None:
    ran = await same(
        '{ a: lateItem(says: "1") { label } neededLateItem(says: "raises") { label } b: lateItem(says: "2") { label } }'
    )
    assert ran.data is None
    assert [error["path"] for error, _ in ran.errors] == [["neededLateItem"]]
    assert set(ran.events[-2:]) == {"lateItem 1 is cancelled", "lateItem 2 is cancelled"}


async def test_a_query_that_fails_at_once_keeps_asynchronous_ones_from_starting() -> None:
    ran = await same('{ lateItem(says: "1") { label } neededItem(says: "raises") { label } item(says: "3") { label } }')
    assert (ran.data, len(ran.errors)) == (None, 1)
    assert ran.events == []
