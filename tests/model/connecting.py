"""A user connects: claim, look for deliveries, exchange, store_grant."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.ending import NAMES, of_replaced
from tests.model.state import ABSENT, ALICE, BOB, CONNECTED, DISCONNECTED, ENDED, LIVING, PAST, Callback, Row, State
from tests.model.world import World

Step = tuple[str, State]
IDLE = Callback()
EXCHANGING = ("claimed", "looked", "exchanged", "dead", "kept")
"""The steps in which an authorization request is `exchanging`."""


def steps(world: World, state: State) -> Iterator[Step]:
    for index, one in enumerate(state.callbacks):
        if one.step == "idle":
            yield from _start(world, state, index)
        elif one.step == "looked first":
            yield f"C{index} claim, after it looked", state.callback(index, one._replace(step="looked"))
        elif one.step == "claimed":
            yield look(world, state, index)
        elif one.step == "looked":
            yield _exchange(world, state, index)
        elif one.step == "dead":
            yield f"C{index} the lease of its claim is over", state.callback(index, IDLE)
        elif one.step == "kept":
            continue  # the fault of not giving back
        else:
            yield store_grant(world, state, index)
        if one.step in {"claimed", "looked"} and state.budget.crashes:
            yield (
                f"C{index} dies after step '{one.step}'",
                state.spend("crashes").callback(index, one._replace(step="dead")),
            )


def _start(world: World, state: State, index: int) -> Iterator[Step]:
    # All callbacks are alike, so the first idle one is next.
    if index != next(number for number, one in enumerate(state.callbacks) if one.step == "idle"):
        return
    for row, budget in ((ALICE, "connects"), (BOB, "connects_of_bob"), (ALICE, "connects_by_previous")):
        if getattr(state.budget, budget) and row < len(state.rows):
            previous = budget == "connects_by_previous"
            yield claim(world, state.spend(budget), index, row, previous=previous)


def claim(world: World, state: State, index: int, row: int, *, previous: bool = False) -> Step:
    """Commits that the request is `exchanging`. The version is read in the same statement."""
    now = state.rows[row]
    one = Callback(
        "claimed", row, now.version, now.version, now.access, now.refresh, ends=state.ends[row], previous=previous
    )
    if not world.provider.wide or previous or not world.rules.claim_looks:
        one = one._replace(step="looked")
    elif not world.rules.claim_looks_last:
        if delivery_runs(world, state, row):
            return _back_off(world, state, index, one)
        return f"C{index} looks and sees no delivery", state.callback(index, one._replace(step="looked first"))
    return f"C{index} claim for {NAMES[row]} at version {now.version}", state.callback(index, one)


def delivery_runs(world: World, state: State, row: int) -> bool:
    rules = world.rules
    return any(
        world.same_account(row, one.row) and one.lease > PAST and (one.lease > 1 or rules.claim_after_quiet)
        for one in state.revocations
    )


def look(world: World, state: State, index: int) -> Step:
    """In a statement after the claim's."""
    one = state.callbacks[index]
    if delivery_runs(world, state, one.row):
        return _back_off(world, state, index, one)
    return f"C{index} looks and sees no delivery", state.callback(index, one._replace(step="looked"))


def _back_off(world: World, state: State, index: int, one: Callback) -> Step:
    """The claim is released, and the user may send the callback again."""
    if not world.rules.claim_gives_back:
        return f"C{index} looks, sees a delivery and keeps its claim", state.callback(index, one._replace(step="kept"))
    budget = "connects_of_bob" if one.row == BOB else "connects"
    again = state.budget._replace(**{budget: getattr(state.budget, budget) + 1})
    return f"C{index} looks, sees a delivery and backs off", state.callback(index, IDLE)._replace(budget=again)


def _exchange(world: World, state: State, index: int) -> Step:
    one = state.callbacks[index]
    token, exchanged = world.provider.exchange(state)
    # The tokens' number is also the time at which they were asked for.
    changed = one._replace(step="exchanged", token=token, granted=token)
    return f"C{index} exchanges its code: r{token}", exchanged.callback(index, changed)


def store_grant(world: World, state: State, index: int) -> Step:
    rules, one = world.rules, state.callbacks[index]
    row = state.rows[one.row]
    if not one.held and rules.grant_if_held:
        return _unstored(world, state, index, "its request is gone")
    if row.status == DISCONNECTED and row.version != one.version and rules.grant_unless_ended and not one.previous:
        return _unstored(world, state, index, "the connection has ended")
    if row.version != one.seen and rules.grant_if_version:
        older = row.granted > one.granted and row.status not in ENDED
        if older and rules.grant_in_order:
            return _unstored(world, state, index, "the connection has a newer grant")
        again = one._replace(seen=row.version, seen_access=row.access, seen_refresh=row.refresh)
        return f"C{index} store_grant: no row, so it is read again", state.callback(index, again)
    return f"C{index} store_grant: r{one.token}, version {row.version + 1}", _stored(world, state, index, row)


def _stored(world: World, state: State, index: int, row: Row) -> State:
    rules, one = world.rules, state.callbacks[index]
    done = state.callback(index, IDLE)
    replaced = (one.seen_refresh or one.seen_access) and not one.previous
    if replaced and rules.grant_revokes_replaced and not (world.provider.wide and rules.grant_keeps_wide):
        done = done.add_revocation(one.row, one.seen_access, one.seen_refresh, **of_replaced(world, row))
    new = row._replace(
        status=CONNECTED, version=row.version + 1, granted=one.granted, access=one.token, refresh=one.token, fresh=True
    )
    if not one.previous:
        new = new._replace(
            consent=row.consent + rules.grant_next_consent,
            owner=0 if rules.grant_ends_lease else row.owner,
            lease=PAST if rules.grant_ends_lease else row.lease,
            unsure=0 if rules.grant_sure else row.unsure,
            retry=row.retry and not rules.grant_clears_retry,
        )
    return done._replace(
        rows=(*done.rows[: one.row], new, *done.rows[one.row + 1 :]), wrong=_wrong(state, one, row, new)
    )


def _wrong(state: State, one: Callback, row: Row, new: Row) -> str:
    if row.status in {DISCONNECTED, ABSENT} and one.ends != state.ends[one.row]:
        return "an ended connection stays ended"
    if row.granted > one.granted and row.status in LIVING:
        return "a newer grant stays"
    return "new tokens are not held back" if new.retry and not one.previous else ""


def _unstored(world: World, state: State, index: int, why: str) -> Step:
    """The tokens become a revocation, where that ends nothing else: deliver decides that."""
    one = state.callbacks[index]
    done = state.callback(index, IDLE)
    if world.rules.grant_unstored:
        done = done.add_revocation(one.row, one.token, one.token)
    return f"C{index} store_grant: {why}, so r{one.token} is to be revoked", done
