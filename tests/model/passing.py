"""Time passes: leases, graces and access tokens end, retry_at comes, and the user may end the grant at the provider."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model import delivering
from tests.model.provider import UNTIL_USED
from tests.model.refreshing import BUSY
from tests.model.state import ALICE, HELD, LIVING, PAST, RECENT, Family, State
from tests.model.world import World

Step = tuple[str, State]


def steps(world: World, state: State) -> Iterator[Step]:
    yield from _leases(world, state)
    yield from _row(world, state)
    yield from _provider(world, state)
    yield from delivering.time_passes(world, state)


def _leases(world: World, state: State) -> Iterator[Step]:
    """A lease of Alice's row ends, as the database, its holder, and revocations that wait for it see it."""
    row = state.rows[ALICE]
    owners = {row.owner} if row.owner and row.lease == HELD else set[int]()
    owners |= {one.due for one in state.revocations if one.due}
    for owner in sorted(owners):
        over = _lease_over(state, owner)
        holder = next((index for index, one in enumerate(state.refreshers) if one.owner == owner), None)
        if holder is None or state.refreshers[holder].step not in BUSY:
            yield f"lease #{owner} ends", over
        elif state.budget.pauses and state.refreshers[holder].step in world.assumptions.pauses:
            one = state.refreshers[holder]
            label = f"lease #{owner} ends while P{holder} stands still after step '{one.step}'"
            yield label, over.spend("pauses").refresher(holder, one._replace(late=True)).doubt(one.refresh)
    if row.owner and row.lease == RECENT and world.strays_are_over(state):
        yield f"quiet has passed since lease #{row.owner}", state.row(lease=PAST)


def _lease_over(state: State, owner: int) -> State:
    row = state.rows[ALICE]
    over = state.row(lease=RECENT) if row.owner == owner and row.lease == HELD else state
    for revocation in state.revocations:
        if revocation.due == owner:
            over = over.change_revocation(revocation, due=0)
    return over


def _row(world: World, state: State) -> Iterator[Step]:
    row = state.rows[ALICE]
    if row.retry and world.strays_are_over(state):
        yield "retry_at is past", state.row(retry=False)
    if row.status in LIVING and row.fresh and state.budget.expiries:
        index = state.family_of[row.access]
        expired = state.spend("expiries").row(fresh=False)
        if state.families[index].access == row.access:
            expired = expired.family(index, access_expired=True)
        yield "the access token expires", expired


def _provider(world: World, state: State) -> Iterator[Step]:
    for index, family in enumerate(state.families):
        if family.tolerated and _grace_may_end(world, state, family):
            yield "the grace ends", state.family(index, tolerated=())
    if state.budget.ends_by_user and not state.families[ALICE].dead:
        yield "the user ends the grant at the provider", state.spend("ends_by_user").family(ALICE, dead="user")


def _grace_may_end(world: World, state: State, family: Family) -> bool:
    row = state.rows[ALICE]
    if world.provider.behaviour == UNTIL_USED:
        return row.status in LIVING and row.access == family.access
    # A lease and the next attempt fit into a grace, as stray requests do, and somebody makes that attempt.
    attempted = (row.owner or row.unsure) and not row.fresh
    sending = any(
        one.refresh in family.tolerated and one.step in {"taken", "sent"} and not one.late for one in state.refreshers
    )
    if sending and not world.assumptions.grace_too_short:
        return False
    return world.assumptions.grace_too_short or not (attempted or state.has_stray_refreshes)
