"""What must hold in every state, or in every state in which nothing is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tests.model import refreshing
from tests.model.provider import ROTATING, STRICT_GRACE
from tests.model.state import ALICE, CONNECTED, ENDED, LIVING, OVER, Row, State
from tests.model.world import World

ONE_AT_A_TIME: Final = "a refresh token is sent once at a time"
ONLY_LIVING: Final = "only living connections are refreshed"
NOT_FRESH: Final = "a fresh token is not refreshed"
NO_REUSE: Final = "no used refresh token is sent that ends the grant"
NOT_KILLED: Final = "a grant whose newest tokens are stored is not ended by an older one"
NEWEST: Final = "the newest tokens are stored"
NOT_MARKED: Final = "a good grant is not marked"
MARKED: Final = "a refused grant is marked"
TOLD: Final = "a lost grant is told as interrupted"
SURE: Final = "unsure is only what may have been sent"
NOT_REVOKED: Final = "a living connection is not revoked"
STAYS_ENDED: Final = "an ended connection stays ended"
NO_TOKENS: Final = "an ended connection has no tokens"
NOTHING_LEFT: Final = "an ended grant ends at the provider"
REPLACED: Final = "a replaced grant ends at the provider"
NEWER_GRANT: Final = "a newer grant stays"
ANSWERED: Final = "every caller is answered"
TOLD_STORED: Final = "what was stored is told as stored"
NOT_HELD_BACK: Final = "new tokens are not held back"
THEY_OPEN: Final = "tokens open under the version of their row"
NEWER_KEY: Final = "a newer vault key stays"
CAN_SUCCEED: Final = "whoever backs off can succeed later"

NAMES: Final = (
    ONE_AT_A_TIME,
    ONLY_LIVING,
    NOT_FRESH,
    NO_REUSE,
    NOT_KILLED,
    NEWEST,
    NOT_MARKED,
    MARKED,
    TOLD,
    SURE,
    NOT_REVOKED,
    STAYS_ENDED,
    NO_TOKENS,
    NOTHING_LEFT,
    REPLACED,
    NEWER_GRANT,
    ANSWERED,
    TOLD_STORED,
    NOT_HELD_BACK,
    THEY_OPEN,
    NEWER_KEY,
    CAN_SUCCEED,
)


def broken(world: World, state: State) -> Iterator[str]:
    """The properties that this state breaks."""
    if state.wrong:
        yield state.wrong
    for name, fails in ALWAYS.items():
        if fails(world, state):
            yield name
    if is_at_rest(state):
        for name, fails in AT_REST.items():
            if fails(world, state):
                yield name


def is_at_rest(state: State) -> bool:
    """Whether nothing is under way. A lease whose holder died may still run."""
    if state.requests or state.strays or state.ending or state.resealers or state.erasing:
        return False
    others = (*state.callbacks, *state.deliverers)
    return all(one.step in {"idle", "waiting"} for one in state.refreshers) and all(
        one.step == "idle" for one in others
    )


def _sent_twice(world: World, state: State) -> bool:
    # Of who stood still beyond its lease, nobody knows.
    sent = [one.refresh for one in state.refreshers if one.step == "sent" and not one.late]
    return len(sent) != len(set(sent))


def _revoked(world: World, state: State) -> bool:
    return any(_dead(state, row) == "revoked" for row in state.rows if row.status in {*LIVING, OVER})


def _reused(world: World, state: State) -> bool:
    return any(_dead(state, row) == "reuse" for row in state.rows if row.status in LIVING)


def _killed(world: World, state: State) -> bool:
    return any(
        _dead(state, row) == "reuse" and row.refresh in state.families[state.family_of[row.refresh]].current
        for row in state.rows
        if row.status in LIVING
    )


def _dead(state: State, row: Row) -> str:
    token = row.refresh or row.access
    return state.families[state.family_of[token]].dead if token else ""


def _keeps_tokens(world: World, state: State) -> bool:
    return any(row.status in ENDED and (row.access or row.refresh) for row in state.rows)


def _told_wrongly(world: World, state: State) -> bool:
    row = state.rows[ALICE]
    return row.status == OVER and not row.unsure and _dead(state, row) in {"", "reuse"}


def _unsure_wrongly(world: World, state: State) -> bool:
    row = state.rows[ALICE]
    rotates = world.provider.behaviour in ROTATING
    return rotates and row.unsure > 0 and row.refresh not in state.doubtful and row.status not in ENDED


def _unanswered(world: World, state: State) -> bool:
    """Nobody works for those who wait, and nothing lets them go on."""
    row = state.rows[ALICE]
    waiting = [index for index, one in enumerate(state.refreshers) if one.step == "waiting"]
    return not row.owner and any(not list(refreshing.wait(world, state, index)) for index in waiting)


def _lost(world: World, state: State) -> bool:
    """The row has a token that no longer works, or soon won't, though the grant lives."""
    row = state.rows[ALICE]
    if row.status in ENDED or not (row.access or row.refresh) or _dead(state, row):
        return False
    family = state.families[state.family_of[row.refresh or row.access]]
    if not family.current:
        return False
    older = world.provider.behaviour == STRICT_GRACE and row.refresh not in family.current
    return not world.provider.takes(family, row.refresh) or (older and (row.fresh or not (row.unsure or row.owner)))


def _marked_wrongly(world: World, state: State) -> bool:
    row = state.rows[ALICE]
    return row.status == OVER and world.provider.takes(state.families[state.family_of[row.refresh]], row.refresh)


def _left(world: World, state: State) -> bool:
    over = not state.revocations and all(row.status in ENDED for row in state.rows)
    return over and any(not family.dead and family.current for family in state.families)


def _replaced_left(world: World, state: State) -> bool:
    if world.provider.wide or state.revocations or state.rows[ALICE].status != CONNECTED:
        return False
    stored = {state.family_of[row.refresh or row.access] for row in state.rows if row.access}
    return any(not family.dead and index not in stored for index, family in enumerate(state.families))


ALWAYS: Final[dict[str, Callable[[World, State], bool]]] = {
    ONE_AT_A_TIME: _sent_twice,
    NOT_REVOKED: _revoked,
    NO_REUSE: _reused,
    NOT_KILLED: _killed,
    NO_TOKENS: _keeps_tokens,
    TOLD: _told_wrongly,
    SURE: _unsure_wrongly,
    ANSWERED: _unanswered,
}
AT_REST: Final[dict[str, Callable[[World, State], bool]]] = {
    NEWEST: _lost,
    NOT_MARKED: _marked_wrongly,
    NOTHING_LEFT: _left,
    REPLACED: _replaced_left,
}
