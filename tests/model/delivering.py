"""A worker delivers a revocation: it takes the lease, looks for who would suffer, and sends."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.connecting import EXCHANGING
from tests.model.provider import OK
from tests.model.state import CONNECTED, FAILING, HELD, PAST, Deliverer, Revocation, State, Stray
from tests.model.world import World

Step = tuple[str, State]
IDLE = Deliverer()


def steps(world: World, state: State) -> Iterator[Step]:
    for index, one in enumerate(state.deliverers):
        revocation = state.revocation_of(one.owner)
        if one.step == "idle":
            yield from deliver(world, state, index)
        elif one.step == "looking first":
            yield from _look_before(world, state, index)
        elif one.step == "looked":
            yield _send(world, state, index, revocation)
        elif revocation is None and one.step == "sent" and one.late:
            revoked = world.provider.revoke(state, one.access, one.refresh)[1]
            yield f"D{index} the provider revokes r{one.refresh}", revoked.deliverer(index, IDLE)
        elif revocation is None:
            yield f"D{index} has lost its revocation", state.deliverer(index, IDLE)
        elif one.step in {"leased", "leased, rows seen"}:
            yield look(world, state, index, revocation)
        elif one.step == "sent":
            yield from _revoke(world, state, index, revocation)
        else:
            yield from _refresh(world, state, index, revocation)


def deliver(world: World, state: State, index: int) -> Iterator[Step]:
    """Takes the lease of a revocation that is due, and commits that before anything else."""
    for revocation in sorted(set(state.revocations)):
        if not may_deliver(world, revocation):
            continue
        owner = index + 1
        one = Deliverer("leased", owner, revocation.access, revocation.refresh)
        if not world.provider.wide:
            one = one._replace(step="looked")
        elif not world.rules.deliver_looks_last:
            if obstacle(world, state, revocation) is None:
                early = one._replace(step="looking first", owner=0)
                yield f"D{index} looks and sees nobody", state.deliverer(index, early)
            continue
        taken = state.change_revocation(revocation, owner=owner, lease=HELD)
        yield f"D{index} deliver: the lease of r{revocation.refresh}'s revocation", taken.deliverer(index, one)


def may_deliver(world: World, revocation: Revocation) -> bool:
    rules = world.rules
    due = not revocation.due or not rules.deliver_when_due
    over = revocation.lease == PAST or (
        revocation.lease != HELD and not (world.provider.wide and rules.deliver_after_quiet)
    )
    return due and over


def _look_before(world: World, state: State, index: int) -> Iterator[Step]:
    """The wrong order: it has looked, and takes the lease now."""
    one = state.deliverers[index]
    revocation = next((other for other in state.revocations if other.refresh == one.refresh), None)
    if revocation is None or not may_deliver(world, revocation):
        yield f"D{index} has lost its revocation", state.deliverer(index, IDLE)
        return
    owner = index + 1
    taken = state.change_revocation(revocation, owner=owner, lease=HELD)
    yield f"D{index} deliver, after it looked", taken.deliverer(index, one._replace(step="looked", owner=owner))


def obstacle(
    world: World, state: State, revocation: Revocation, *, claims: bool = True, rows: bool = True
) -> str | None:
    """Why a revocation that ends more than the token is not sent now."""
    rules = world.rules
    living = (CONNECTED, FAILING) if rules.deliver_looks_for_failing else (CONNECTED,)
    same = [index for index in range(len(state.rows)) if world.same_account(revocation.row, index)]
    alive = [index for index in same if state.rows[index].status in living]
    if rows and revocation.row in alive and rules.deliver_not_needed:
        return "the user has connected again"
    if rows and [index for index in alive if index != revocation.row] and rules.deliver_looks_for_others:
        return "another connection is on the account"
    exchanging = [one for one in state.callbacks if one.step in EXCHANGING and one.held and one.row in same]
    if claims and exchanging and rules.deliver_looks_for_claims:
        return "a callback is under way"
    return None


def look(world: World, state: State, index: int, revocation: Revocation) -> Step:
    """One statement, after that of the lease."""
    one = state.deliverers[index]
    if world.rules.deliver_looks_once:
        found = obstacle(world, state, revocation)
    elif one.step == "leased":
        found = obstacle(world, state, revocation, claims=False)
        if found is None:
            return f"D{index} looks for connections", state.deliverer(index, one._replace(step="leased, rows seen"))
    else:
        found = obstacle(world, state, revocation, rows=False)
    if found is None:
        return f"D{index} looks and sees nobody", state.deliverer(index, one._replace(step="looked"))
    waits = found != "another connection is on the account" or world.rules.deliver_waits_for_others
    if found == "the user has connected again" or not waits:
        return f"D{index} {found}: not_needed", state.drop_revocation(revocation).deliverer(index, IDLE)
    return f"D{index} {found}: backs off", _unsent(state, index, revocation)


def _unsent(state: State, index: int, revocation: Revocation) -> State:
    return state.change_revocation(revocation, owner=0, lease=PAST).deliverer(index, IDLE)


def _send(world: World, state: State, index: int, revocation: Revocation | None) -> Step:
    """By the clock of this process. It doesn't read its row again."""
    one = state.deliverers[index]
    if one.late and world.rules.deliver_in_time:
        label = f"D{index} sees that its lease is over and sends nothing"
        return label, _unsent(state, index, revocation) if revocation else state.deliverer(index, IDLE)
    unsure = revocation and revocation.unsure and world.rules.deliver_unsure_refreshes and one.refresh
    step = "refreshing" if unsure else "sent"
    return f"D{index} sends {'a refresh' if unsure else 'the revocation'}", state.deliverer(
        index, one._replace(step=step)
    )


def _revoke(world: World, state: State, index: int, revocation: Revocation) -> Iterator[Step]:
    one = state.deliverers[index]
    done, revoked = world.provider.revoke(state, one.access, one.refresh)
    if done or not world.rules.deliver_401_refreshes or not one.refresh:
        label = f"D{index} {'the provider revokes' if done else 'the provider says 401'} (r{one.refresh}): delivered"
        yield label, revoked.drop_revocation(revocation).deliverer(index, IDLE)
    else:
        yield f"D{index} the provider says 401", state.deliverer(index, one._replace(step="refreshing"))
    if state.budget.delivery_failures:
        lost = _unknown(world, state.spend("delivery_failures"), index, revocation)
        stray = Stray(one.access, one.refresh, revocation.row)
        label = f"D{index} gives up; the outcome is unknown"
        yield label, lost._replace(strays=tuple(sorted((*lost.strays, stray))))
        yield f"{label}, but the provider revokes", world.provider.revoke(lost, one.access, one.refresh)[1]


def _unknown(world: World, state: State, index: int, revocation: Revocation) -> State:
    """As if the worker had died: the lease stays until its end."""
    lease = revocation.lease if world.rules.deliver_keeps_lease else PAST
    return state.change_revocation(revocation, owner=0, lease=lease).deliverer(index, IDLE)


def _refresh(world: World, state: State, index: int, revocation: Revocation) -> Iterator[Step]:
    one = state.deliverers[index]
    for answer, refreshed in world.provider.refresh(state, one.refresh):
        if answer[0] != OK:
            label = f"D{index} the provider refuses r{one.refresh}: it is over"
            yield label, refreshed.drop_revocation(revocation).deliverer(index, IDLE)
            continue
        access, refresh = answer[1], answer[2] or one.refresh
        fresh = one._replace(step="sent", access=access, refresh=refresh)
        label = f"D{index} refreshes r{one.refresh}"
        if world.rules.deliver_keeps_pair:
            pair = refreshed.change_revocation(revocation, access=access, refresh=refresh, unsure=False)
            yield f"{label} and commits a{access} r{refresh}", pair.deliverer(index, fresh)
        else:
            yield f"{label} and has a{access} r{refresh} in memory", refreshed.deliverer(index, fresh)


def time_passes(world: World, state: State) -> Iterator[Step]:
    """Leases of revocations end, and strays are handled or lost."""
    for revocation in state.revocations:
        if revocation.lease == HELD:
            yield from _lease_ends(world, state, revocation)
        elif revocation.lease > PAST and world.strays_are_over(state):
            changed = state.change_revocation(revocation, lease=PAST, owner=0)
            yield f"quiet has passed since the lease of r{revocation.refresh}'s revocation", changed
    for stray in sorted(set(state.strays)):
        others = list(state.strays)
        others.remove(stray)
        rest = state._replace(strays=tuple(others))
        yield f"the stray revocation of r{stray.refresh} is lost", rest
        if world.assumptions.stray_revocations:
            revoked = world.provider.revoke(rest, stray.access, stray.refresh)[1]
            yield f"the provider handles the stray revocation of r{stray.refresh}", revoked


def _lease_ends(world: World, state: State, revocation: Revocation) -> Iterator[Step]:
    label = f"the lease of r{revocation.refresh}'s revocation ends"
    over = state.change_revocation(revocation, lease=1)
    for index, one in enumerate(state.deliverers):
        if one.owner == revocation.owner and one.step != "idle":
            if state.budget.pauses and one.step in world.assumptions.pauses:
                paused = over.spend("pauses").deliverer(index, one._replace(late=True))
                yield f"{label} while D{index} stands still after step '{one.step}'", paused
            return
    yield label, over
