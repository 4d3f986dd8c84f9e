"""How providers behave: what they do with a used refresh token, and what a revocation ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.model.state import Family, State

Answer = tuple[str, int, int]
"""What a refresh gets: OK with the numbers of the access and the refresh token (0 if it was left out), REFUSED
(invalid_grant), or TRANSIENT (429 and 5xx)."""
OK: Final = "ok"
REFUSED: Final = "invalid_grant"
TRANSIENT: Final = "transient"

REUSABLE: Final = "reusable"
EXTENDING: Final = "extending"  # the same refresh token is returned each time
MAY_ROTATE: Final = "may rotate"  # a new refresh token now and then; a used one is refused
REUSE_REFUSED: Final = "reuse is refused"
REUSE_REVOKES: Final = "reuse revokes"  # a used refresh token ends the whole family
STRICT_GRACE: Final = "strict grace"  # a used one works for some seconds, and only the newest answer's token is good
LENIENT_GRACE: Final = "lenient grace"  # as before, but all answers' tokens are good
UNTIL_USED: Final = "until used"  # a used one works until the new access token is used
BEHAVIOURS: Final = (
    REUSABLE,
    EXTENDING,
    MAY_ROTATE,
    REUSE_REFUSED,
    REUSE_REVOKES,
    STRICT_GRACE,
    LENIENT_GRACE,
    UNTIL_USED,
)
ROTATING: Final = (REUSE_REFUSED, REUSE_REVOKES, STRICT_GRACE, LENIENT_GRACE, UNTIL_USED)
WITH_GRACE: Final = (STRICT_GRACE, LENIENT_GRACE, UNTIL_USED)
QUIET_NEEDED: Final = (MAY_ROTATE, REUSE_REFUSED, REUSE_REVOKES, UNTIL_USED)
"""Where a stray refresh does harm: a grace that ends with the first use protects nothing. Elsewhere `quiet` is 0."""

TOKEN: Final = "token"  # by a refresh token that is good; one that was used is unknown, and nothing happens
TOKEN_USED: Final = "token, also a used one"
GRANT: Final = "grant"  # by a refresh token that is good: all grants of the account
BEARER: Final = "bearer"  # by the newest access token: all grants of the account
ACCOUNT: Final = "account"  # by any token that ever was the account's: all its grants
REVOCATIONS: Final = (TOKEN, TOKEN_USED, GRANT, BEARER, ACCOUNT)
WIDE: Final = (GRANT, BEARER, ACCOUNT)
"""These end more than the token."""


@dataclass(frozen=True, slots=True)
class Provider:
    """`one_grant` says that a new grant ends the account's others, and `same_access` that a refresh may return the
    access token that is known already."""

    behaviour: str = REUSE_REVOKES
    revocation: str = TOKEN
    one_grant: bool = False
    same_access: bool = False

    @property
    def wide(self) -> bool:
        return self.revocation in WIDE

    @property
    def quiet(self) -> bool:
        return self.behaviour in QUIET_NEEDED

    def takes(self, family: Family, refresh: int) -> bool:
        if family.dead or not refresh:
            return False
        known = refresh in family.current or refresh in family.tolerated
        return known or (self.behaviour in {REUSABLE, EXTENDING} and bool(family.current))

    def refresh(self, state: State, refresh: int) -> Iterator[tuple[Answer, State]]:
        """What the provider may answer, and the state after that."""
        index = state.family_of[refresh]
        family = state.families[index]
        if family.dead:
            yield (REFUSED, 0, 0), state
        elif self.takes(family, refresh):
            yield from self._renew(state, index, refresh)
        elif self.behaviour in {MAY_ROTATE, REUSE_REFUSED}:
            yield (REFUSED, 0, 0), state
        else:
            yield (REFUSED, 0, 0), state.family(index, dead="reuse")

    def _renew(self, state: State, index: int, refresh: int) -> Iterator[tuple[Answer, State]]:
        family = state.families[index]
        token = family.access if self.same_access else len(state.family_of)
        issued = state if self.same_access else state._replace(family_of=(*state.family_of, index))
        renewed = issued.family(index, access=token, access_expired=False)
        if self.behaviour in {REUSABLE, MAY_ROTATE}:
            yield (OK, token, 0), renewed
        if self.behaviour == EXTENDING:
            yield (OK, token, refresh), renewed
        if self.behaviour not in {REUSABLE, EXTENDING}:
            current, tolerated = self._rotate(family, refresh, token)
            yield (OK, token, token), renewed.family(index, current=current, tolerated=tolerated)

    def _rotate(self, family: Family, used: int, new: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if self.behaviour == LENIENT_GRACE:
            current = tuple(sorted({*family.current, new} - {used}))
            return current, tuple(sorted({*family.tolerated, used}))
        if self.behaviour in WITH_GRACE:
            return (new,), tuple(sorted({*family.tolerated, *family.current, used}))
        return (new,), ()

    def exchange(self, state: State) -> tuple[int, State]:
        """A new grant for a code: its token, and the state after that."""
        token = len(state.family_of)
        families = state.families
        if self.one_grant:
            families = tuple(one if one.dead else one._replace(dead="another grant") for one in families)
        made = Family("", (token,), (), token)
        return token, state._replace(family_of=(*state.family_of, len(families)), families=(*families, made))

    def revoke(self, state: State, access: int, refresh: int) -> tuple[bool, State]:
        """Whether the provider says that it is done (false: it refuses an access token), and the state after that."""
        index = state.family_of[access if self.revocation == BEARER else refresh or access]
        family = state.families[index]
        if self.revocation == BEARER:
            known = not family.dead and family.access == access and not family.access_expired
            return known, self._end(state, index) if known else state
        known = self.revocation in {TOKEN_USED, ACCOUNT} or self.takes(family, refresh)
        return True, self._end(state, index) if known else state

    def _end(self, state: State, index: int) -> State:
        hit = range(len(state.families)) if self.wide else (index,)
        for one in hit:
            if not state.families[one].dead:
                state = state.family(one, dead="revoked")
        return state
