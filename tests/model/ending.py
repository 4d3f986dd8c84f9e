"""Connections end: disconnect and erase, and reseal, which must not bring anything back."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.state import (
    ABSENT,
    ALICE,
    BOB,
    DISCONNECTED,
    ENDED,
    HELD,
    LIVING,
    OVER,
    PAST,
    Ending,
    Resealer,
    Row,
    State,
)
from tests.model.world import World

Step = tuple[str, State]
NAMES = ("Alice", "Bob")


def steps(world: World, state: State) -> Iterator[Step]:
    if state.ending:
        yield disconnect(world, state, state.ending)
    else:
        yield from _read(state)
    yield from erase(world, state)
    yield from _start_resealing(state)
    for resealer in state.resealers:
        yield reseal(world, state, resealer)


def _read(state: State) -> Iterator[Step]:
    for index, budget in ((ALICE, "disconnects"), (BOB, "disconnects_of_bob")):
        if getattr(state.budget, budget) and index < len(state.rows) and state.rows[index].status in {*LIVING, OVER}:
            row = state.rows[index]
            ending = Ending(index, row.version, row.access, row.refresh)
            yield f"{NAMES[index]} disconnects: the row is read", state.spend(budget)._replace(ending=ending)


def disconnect(world: World, state: State, read: Ending) -> Step:
    """One transaction. If the row has changed, it is read again."""
    row = state.rows[read.row]
    name = NAMES[read.row]
    if row.status in ENDED:
        return f"{name} disconnect: ended already", state._replace(ending=None)
    if row.version != read.version and world.rules.disconnect_if_version:
        again = Ending(read.row, row.version, row.access, row.refresh)
        return f"{name} disconnect: no row, so it is read again", state._replace(ending=again)
    ended = end(world, state, read.row, read.access, read.refresh)
    return f"{name} disconnect: version {ended.rows[read.row].version}", ended._replace(ending=None)


def end(world: World, state: State, index: int, access: int, refresh: int) -> State:
    rules, row = world.rules, state.rows[index]
    if rules.disconnect_revokes:
        state = state.add_revocation(index, access, refresh, **of_replaced(world, row))
    ended = row._replace(
        status=DISCONNECTED,
        version=row.version + rules.disconnect_next_version,
        consent=row.consent + rules.disconnect_next_consent,
        fresh=False,
        retry=False,
    )
    if rules.disconnect_erases:
        ended = ended._replace(access=0, refresh=0)
    if rules.disconnect_ends_lease:
        ended = ended._replace(owner=0, lease=PAST)
    if rules.disconnect_sure:
        ended = ended._replace(unsure=0)
    ends = (*state.ends[:index], state.ends[index] + 1, *state.ends[index + 1 :])
    return state._replace(rows=(*state.rows[:index], ended, *state.rows[index + 1 :]), ends=ends)


def of_replaced(world: World, row: Row) -> dict[str, int | bool]:
    """What a revocation says of the refreshes that may be under way with its tokens."""
    rules = world.rules
    unsure = (bool(row.owner) and rules.disconnect_unsure_holder) or (row.unsure > 0 and rules.disconnect_unsure_count)
    due = row.owner if row.owner and row.lease == HELD and rules.disconnect_due_later else 0
    return {"ended_version": row.version, "unsure": unsure, "due": due}


def erase(world: World, state: State) -> Iterator[Step]:
    """Alice is forgotten. In one transaction that deletes her requests first, nothing comes between: a callback waits
    for the lock on its request, and for that on the row."""
    rules = world.rules
    if not state.erasing and state.budget.erasures:
        if rules.erase_at_once and rules.erase_requests_first:
            yield "erase: one transaction", _delete_rows(world, _delete_requests(state.spend("erasures")))
        elif rules.erase_requests_first:
            yield "erase: her requests are deleted", _delete_requests(state.spend("erasures"))._replace(erasing="rows")
        else:
            deleted = _delete_rows(world, state.spend("erasures"))
            yield "erase: her connection is ended and deleted", deleted._replace(erasing="requests")
    elif state.erasing == "rows":
        yield "erase: her connection is ended and deleted", _delete_rows(world, state)._replace(erasing="")
    elif state.erasing == "requests":
        yield "erase: her requests are deleted", _delete_requests(state)._replace(erasing="")


def _delete_requests(state: State) -> State:
    callbacks = tuple(
        one._replace(held=False) if one.row == ALICE and one.step != "idle" else one for one in state.callbacks
    )
    return state._replace(callbacks=callbacks)


def _delete_rows(world: World, state: State) -> State:
    row = state.rows[ALICE]
    if row.status not in ENDED and world.rules.erase_revokes:
        state = end(world, state, ALICE, row.access, row.refresh)
    else:
        state = state._replace(ends=(state.ends[ALICE] + 1, *state.ends[BOB:]))
    # The version goes on counting, which tells rows of different ids apart.
    kept = state.rows[ALICE]
    deleted = Row(ABSENT, kept.version, kept.consent, kept.granted, epoch=kept.epoch)
    return state._replace(rows=(deleted, *state.rows[BOB:]))


def _start_resealing(state: State) -> Iterator[Step]:
    row = state.rows[ALICE]
    # The operator makes key 3 after key 2, and a process that has read only the older setting may still run.
    for key in (2, 3):
        if state.budget.reseals and row.refresh and row.key < key and all(one.key != key for one in state.resealers):
            resealer = Resealer(key, row.version, row.key, row.access, row.refresh)
            started = state.spend("reseals")
            yield f"reseal under key {key}: the row is read", started._replace(resealers=(*state.resealers, resealer))


def reseal(world: World, state: State, one: Resealer) -> Step:
    rules, row = world.rules, state.rows[ALICE]
    done = state._replace(resealers=tuple(other for other in state.resealers if other != one))
    same_version = row.version == one.version or not rules.reseal_if_version
    # A ciphertext never comes twice, so the same one has the same version.
    same_sealed = (row.version, row.key) == (one.version, one.sealed) or not rules.reseal_if_sealed
    if not (row.refresh and same_version and same_sealed):
        return f"reseal under key {one.key}: no row", done
    version = row.version if rules.reseal_keeps_version else row.version + 1
    wrong = "a newer vault key stays" if one.key < row.key else ""
    changed = done.row(key=one.key, version=version, access=one.access, refresh=one.refresh)
    return f"reseal under key {one.key}", changed._replace(wrong=wrong)
