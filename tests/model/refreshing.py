"""Alice's connection is refreshed: take, send, store, find_fate, late, release, fail, mark, and waiting for them."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.provider import OK, REFUSED, TRANSIENT
from tests.model.state import ALICE, CONNECTED, ENDED, FAILING, HELD, LIVING, OVER, PAST, Refresher, Request, Row, State
from tests.model.world import World

Step = tuple[str, State]
IDLE = Refresher()
BUSY = ("taken", "sent", "answered", "unstored", "late")
"""The steps of a process that has a lease, or had one."""


def steps(world: World, state: State) -> Iterator[Step]:
    for index, one in enumerate(state.refreshers):
        if one.step == "idle":
            yield from _ask(state, index)
        elif one.step == "read":
            yield from take(world, state, index)
        elif one.step == "waiting":
            yield from wait(world, state, index)
        elif one.step == "taken":
            yield send(world, state, index)
        elif one.step == "sent":
            yield from _receive(world, state, index)
        elif one.step == "answered":
            yield from _use(world, state, index)
        elif one.step == "unstored":
            yield find_fate(world, state, index)
        else:
            yield late(world, state, index)
        if one.step in BUSY:
            yield from _crash(world, state, index)


def _ask(state: State, index: int) -> Iterator[Step]:
    """A caller, or the worker, wants a token with some time left."""
    row = state.rows[ALICE]
    # All processes are alike, so the first idle one is asked.
    first = next(number for number, one in enumerate(state.refreshers) if one.step == "idle")
    if index == first and state.budget.asked and row.status in LIVING and not row.fresh:
        reader = Refresher("read", row.version, access=row.access)
        yield f"P{index} is asked for a token and reads the row", state.spend("asked").refresher(index, reader)


def may_take(world: World, state: State, version: int) -> bool:
    rules, row = world.rules, state.rows[ALICE]
    alive = row.status == CONNECTED or (row.status == FAILING and rules.take_if_failing)
    unleased = not row.owner or row.lease == PAST or (row.lease != HELD and not world.provider.quiet)
    if row.owner and row.lease != HELD and not rules.take_after_quiet:
        unleased = True
    return all(
        (
            row.version == version or not rules.take_if_version,
            alive or not rules.take_if_alive,
            row.refresh or not rules.take_if_refresh_token,
            unleased or not rules.take_if_unleased,
            not row.retry or not rules.take_after_retry,
        )
    )


def take(world: World, state: State, index: int) -> Iterator[Step]:
    reader, row = state.refreshers[index], state.rows[ALICE]
    if not may_take(world, state, reader.version):
        yield f"P{index} take: no row, so it waits", state.refresher(index, reader._replace(step="waiting"))
        return
    unsure = min(row.unsure + (1 if row.owner and world.rules.take_counts_holder else 0), 2)
    if unsure > 1 and not world.rules.mark_only_refused:
        marked = state.row(status=OVER, owner=0, lease=PAST).refresher(index, IDLE)
        yield f"P{index} gives up after two unknown outcomes, and marks", marked
        return
    owner = state.new_owner()
    epoch = row.epoch + world.rules.take_next_epoch
    holder = Refresher("taken", row.version, row.consent, row.granted, row.access, row.refresh, owner, epoch)
    taken = state.row(owner=owner, epoch=epoch, lease=HELD, unsure=unsure, retry=False).refresher(index, holder)
    taken = taken._replace(wrong=_wrong_to_take(row))
    yield f"P{index} take: lease #{owner} for r{row.refresh} of version {row.version}", taken


def _wrong_to_take(row: Row) -> str:
    if row.status not in LIVING or not row.refresh:
        return "only living connections are refreshed"
    return "a fresh token is not refreshed" if row.fresh else ""


def wait(world: World, state: State, index: int) -> Iterator[Step]:
    """What a caller does that wasn't given the lease, each time that it reads the row again."""
    rules, one, row = world.rules, state.refreshers[index], state.rows[ALICE]
    changed = row.version != one.version if rules.wait_for_version else row.access != one.access
    ended = row.status not in LIVING and rules.wait_for_status
    postponed = row.retry and rules.wait_for_retry
    if changed or ended or postponed or (row.status in LIVING and not row.refresh):
        yield f"P{index} answers its caller ({row.status}, version {row.version})", state.refresher(index, IDLE)
    elif may_take(world, state, one.version):
        yield from take(world, state, index)


def send(world: World, state: State, index: int) -> Step:
    one = state.refreshers[index]
    if one.late and world.rules.send_in_time:
        return release(world, state, index)
    request = Request(one.owner, one.refresh, None)
    sent = state.refresher(index, one._replace(step="sent"))
    return f"P{index} sends r{one.refresh} (#{one.owner})", sent._replace(requests=(*state.requests, request))


def answer(world: World, state: State) -> Iterator[Step]:
    """The provider handles a refresh, or it is lost."""
    unanswered = [one for one in state.requests if one.answer is None]
    for request in state.requests:
        waited = state.waited_for(request)
        if not waited:
            lost = state._replace(requests=_others(state, request))
            yield f"the {'request' if request.answer is None else 'answer'} #{request.owner} is lost", lost
        in_turn = request == unanswered[0] if unanswered and world.assumptions.in_order else True
        if request.answer is None and (waited or world.assumptions.strays) and in_turn:
            yield from _handle(world, state, request)


def _others(state: State, request: Request) -> tuple[Request, ...]:
    return tuple(one for one in state.requests if one != request)


def _handle(world: World, state: State, request: Request) -> Iterator[Step]:
    if not state.waited_for(request):
        others = _others(state, request)
        for given, handled in world.provider.refresh(state, request.refresh):
            label = f"the provider handles the stray #{request.owner} of r{request.refresh}: {given[0]}"
            yield label, handled._replace(requests=others)
        return
    answers = [*world.provider.refresh(state, request.refresh)]
    if state.budget.refusals:
        answers.append(((TRANSIENT, 0, 0), state.spend("refusals")))
    for given, handled in answers:
        requests = tuple(request._replace(answer=given) if one == request else one for one in state.requests)
        label = f"the provider handles #{request.owner} of r{request.refresh}: {given[0]} {given[2] or ''}".rstrip()
        yield label, handled._replace(requests=requests)


def _receive(world: World, state: State, index: int) -> Iterator[Step]:
    one = state.refreshers[index]
    request = next(request for request in state.requests if request.owner == one.owner)
    if request.answer is not None:
        received = state.refresher(index, one._replace(step="answered", answer=request.answer))
        yield f"P{index} receives the answer to #{one.owner}", received._replace(requests=_others(state, request))
    if state.budget.timeouts and (request.answer is None or world.assumptions.answers_lost):
        yield fail(world, state.spend("timeouts"), index, unknown=True)


def _use(world: World, state: State, index: int) -> Iterator[Step]:
    one = state.refreshers[index]
    assert one.answer
    if one.answer[0] == OK:
        yield from store(world, state, index)
    elif one.answer[0] == REFUSED:
        yield mark(world, state, index)
    else:
        yield fail(world, state, index, unknown=False)
        if state.budget.failing and state.rows[ALICE].status == CONNECTED and state.rows[ALICE].version == one.version:
            failed = fail(world, state.spend("failing").row(status=FAILING), index, unknown=False)
            yield f"{failed[0]}, and marks provider_failing", failed[1]


def _same_grant(world: World, row: Row, one: Refresher) -> bool:
    rules = world.rules
    same_consent = row.consent == one.consent or not rules.store_if_consent
    return same_consent and (row.granted == one.granted or not rules.store_if_granted_at)


def _may_store(world: World, row: Row, one: Refresher) -> bool:
    rules = world.rules
    earlier = row.refreshed_by < one.epoch or not rules.store_in_order
    version = row.version == one.version or (row.version == one.version + 1 and earlier and rules.store_if_later_epoch)
    return all(
        (
            row.status != "absent",
            _same_grant(world, row, one),
            row.status not in ENDED or not rules.store_if_alive,
            version or not rules.store_if_version,
            row.owner == one.owner or rules.store_without_lease,
        )
    )


def store(world: World, state: State, index: int) -> Iterator[Step]:
    rules, one, row = world.rules, state.refreshers[index], state.rows[ALICE]
    assert one.answer
    _, access, refresh = one.answer
    if not _may_store(world, row, one):
        yield f"P{index} store: no row", state.refresher(index, one._replace(step="unstored"))
        return
    mine = row.owner == one.owner or not rules.store_leaves_lease
    retry = row.retry and not rules.store_clears_retry
    stored = state.row(
        status=CONNECTED if rules.store_connected else row.status,
        version=row.version + 1,
        access=access,
        refresh=refresh or (one.refresh if rules.store_keeps_token else 0),
        fresh=True,
        unsure=0 if rules.store_sure else row.unsure,
        retry=retry,
        refreshed_by=one.epoch,
        owner=0 if mine else row.owner,
        lease=PAST if mine else row.lease,
    )._replace(wrong=_wrong_to_store(state, row, access, retry=retry))
    label = f"P{index} store: a{access} r{refresh or one.refresh}, version {row.version + 1}"
    yield label, stored.refresher(index, IDLE)
    if state.budget.doubts:
        yield f"{label}, but the COMMIT's answer is lost", stored.spend("doubts")


def _wrong_to_store(state: State, row: Row, access: int, *, retry: bool) -> str:
    if row.status in ENDED:
        return "an ended connection stays ended"
    if state.family_of[row.access] != state.family_of[access]:
        return "a newer grant stays"
    return "new tokens are not held back" if retry else ""


def find_fate(world: World, state: State, index: int) -> Step:
    """Why nothing was stored."""
    rules, one, row = world.rules, state.refreshers[index], state.rows[ALICE]
    done = state.refresher(index, IDLE)
    same = _same_grant(world, row, one)
    goes = state.refresher(index, one._replace(step="late"))
    if row.status in ENDED:
        return f"P{index} find_fate: ended", goes if rules.fate_ended else done
    if not same:
        revokes = (not world.provider.wide or not rules.fate_renewed_wide) and rules.fate_renewed
        return f"P{index} find_fate: renewed", goes if revokes else done
    if row.refreshed_by == one.epoch and rules.fate_stored:
        return f"P{index} find_fate: stored before", done
    if row.refreshed_by == one.epoch:
        done = done._replace(wrong="what was stored is told as stored")
    return f"P{index} find_fate: newer tokens", done if rules.fate_newer else goes


def late(world: World, state: State, index: int) -> Step:
    """The tokens become a revocation, or take the place of the older ones in it."""
    rules, one = world.rules, state.refreshers[index]
    assert one.answer
    _, access, refresh = one.answer
    done = state.refresher(index, IDLE)
    pending = [
        other
        for other in state.revocations
        if other.row == ALICE
        and (other.ended_version == one.version or not rules.late_if_version)
        and (not other.owner or not rules.late_if_unleased)
        and (other.unsure or not rules.late_if_unsure)
    ]
    if pending and rules.late_into_pending:
        label = f"P{index} late: r{refresh or one.refresh} into the revocation of r{pending[0].refresh}"
        return label, done.change_revocation(pending[0], access=access, refresh=refresh or one.refresh, unsure=False)
    label = f"P{index} late: a revocation of r{refresh or one.refresh}"
    return label, done.add_revocation(ALICE, access, refresh or one.refresh)


def release(world: World, state: State, index: int) -> Step:
    """Nothing was sent."""
    return f"P{index} release: nothing was sent", _end_lease(
        world, state.refresher(index, IDLE), state.refreshers[index]
    )


def _end_lease(world: World, state: State, one: Refresher) -> State:
    mine = state.rows[ALICE].owner == one.owner or not world.rules.release_if_owner
    return state.row(owner=0, lease=PAST) if mine else state


def fail(world: World, state: State, index: int, *, unknown: bool) -> Step:
    """It was sent, and there are no tokens."""
    rules, one, row = world.rules, state.refreshers[index], state.rows[ALICE]
    done = state.refresher(index, IDLE)
    if unknown:
        done = done.doubt(one.refresh)
    if row.owner == one.owner:
        unsure = min(row.unsure + 1, 2) if unknown and rules.fail_counts_unknown else row.unsure
        waits = (world.provider.quiet and rules.fail_waits_for_quiet) if unknown else True
        done = done.row(unsure=unsure, retry=waits)
    outcome = "the outcome is unknown" if unknown else "transient"
    return f"P{index} fail: {outcome}", _end_lease(world, done, one)


def mark(world: World, state: State, index: int) -> Step:
    """The provider said invalid_grant."""
    rules, one, row = world.rules, state.refreshers[index], state.rows[ALICE]
    done = _end_lease(world, state.refresher(index, IDLE), one)
    alive = row.status == CONNECTED or (row.status == FAILING and rules.mark_if_failing)
    if (row.version == one.version or not rules.mark_if_version) and (alive or not rules.mark_if_alive):
        version = row.version if rules.mark_keeps_version else row.version + 1
        wrong = "" if version == row.version else "tokens open under the version of their row"
        if row.status in ENDED:
            wrong = "an ended connection stays ended"
        return f"P{index} mark: reauthorization_required", done.row(status=OVER, version=version)._replace(wrong=wrong)
    if row.version == one.version and row.status in LIVING:
        done = done._replace(wrong="a refused grant is marked")
    return f"P{index} mark: no row", done


def _crash(world: World, state: State, index: int) -> Iterator[Step]:
    one = state.refreshers[index]
    if not state.budget.crashes:
        return
    request = next((request for request in state.requests if request.owner == one.owner), None)
    handled = (request and request.answer and request.answer[0] == OK) or (one.answer and one.answer[0] == OK)
    if handled and not world.assumptions.answers_lost:
        return
    died = state.spend("crashes").refresher(index, IDLE)
    # Nobody can tell whether it had sent anything.
    yield f"P{index} dies after step '{one.step}'", died.doubt(one.refresh)
