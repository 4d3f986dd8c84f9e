"""The state that the model explores: rows of our tables, tokens at the provider, requests on their way, and processes.

Everything is immutable and hashable. Tokens are numbers in the order in which the provider issued them; the access and
the refresh token of one answer share a number, and 0 is none. Times are not numbers but phases: that time passes is a
transition (`passing.py`), which happens whenever it may.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Final, NamedTuple

CONNECTED: Final = "connected"
FAILING: Final = "error: provider_failing"
OVER: Final = "error: reauthorization_required"
DISCONNECTED: Final = "disconnected"
ABSENT: Final = "absent"
LIVING: Final = (CONNECTED, FAILING)
ENDED: Final = (DISCONNECTED, ABSENT)

# The phases of a lease: `lease_until > now()`, then `lease_until <= now()`, then `lease_until + quiet <= now()`.
HELD: Final = 2
RECENT: Final = 1
PAST: Final = 0

ALICE: Final = 0
BOB: Final = 1
"""Two users whose connections are, if both exist, of one account at the provider."""


class Row(NamedTuple):
    """A connection. `fresh` says that its access token is not to be refreshed yet, and `retry` that `retry_at` lies
    ahead; `owner` is 0 for NULL. `key` is the vault key that its tokens are sealed with."""

    status: str
    version: int = 1
    consent: int = 1
    granted: int = 0
    access: int = 0
    refresh: int = 0
    fresh: bool = False
    owner: int = 0
    lease: int = PAST
    epoch: int = 0
    unsure: int = 0
    refreshed_by: int = 0
    retry: bool = False
    key: int = 1


class Family(NamedTuple):
    """A grant at the provider. `dead` is why it has ended, or empty. `current` are its good refresh tokens, and
    `tolerated` those that were used and still work for a while (a grace). `access` is its newest access token."""

    dead: str
    current: tuple[int, ...]
    tolerated: tuple[int, ...]
    access: int
    access_expired: bool = False


class Request(NamedTuple):
    """A refresh on its way. `answer` is None until the provider has handled it; see `provider.Answer`."""

    owner: int
    refresh: int
    answer: tuple[str, int, int] | None


class Refresher(NamedTuple):
    """A process that was asked for a token of Alice's connection. `late` says that its clock shows that its lease is
    over. What it knows of the row is what `take` returned."""

    step: str = "idle"
    version: int = 0
    consent: int = 0
    granted: int = 0
    access: int = 0
    refresh: int = 0
    owner: int = 0
    epoch: int = 0
    late: bool = False
    answer: tuple[str, int, int] | None = None


class Callback(NamedTuple):
    """A flow of a user who connects. `version` is the connection's at the claim, and `seen` that to replace, with its
    tokens. `held` says that the authorization request exists, `ends` counts how often the row had ended at the claim,
    and `previous` that the previous version of Tendon handles it."""

    step: str = "idle"
    row: int = 0
    version: int = 0
    seen: int = 0
    seen_access: int = 0
    seen_refresh: int = 0
    token: int = 0
    granted: int = 0
    held: bool = True
    ends: int = 0
    previous: bool = False


class Revocation(NamedTuple):
    """A pending row of `revocation`. `due` is 0 once it is due, else the owner of the lease whose end it waits for."""

    row: int
    ended_version: int
    access: int
    refresh: int
    unsure: bool
    due: int = 0
    owner: int = 0
    lease: int = PAST


class Stray(NamedTuple):
    """A request to revoke that nobody waits for any more, and that the provider may still handle."""

    access: int
    refresh: int
    row: int


class Deliverer(NamedTuple):
    """A worker that delivers a revocation, with the tokens that it read from the row."""

    step: str = "idle"
    owner: int = 0
    access: int = 0
    refresh: int = 0
    late: bool = False


class Ending(NamedTuple):
    """A disconnect between its reading of the row and its writing."""

    row: int
    version: int
    access: int
    refresh: int


class Resealer(NamedTuple):
    """A process that seals with `key` what it read. The ciphertext that it read is known by its version and key."""

    key: int
    version: int
    sealed: int
    access: int
    refresh: int


class Budget(NamedTuple):
    """How often each thing may still happen."""

    asked: int = 0
    expiries: int = 0
    crashes: int = 0
    timeouts: int = 0
    refusals: int = 0  # answers with 429 or 5xx
    pauses: int = 0
    doubts: int = 0  # COMMITs whose answer is lost
    disconnects: int = 0
    disconnects_of_bob: int = 0
    connects: int = 0
    connects_of_bob: int = 0
    connects_by_previous: int = 0
    erasures: int = 0
    reseals: int = 0
    ends_by_user: int = 0
    failing: int = 0  # changes of the status to FAILING
    delivery_failures: int = 0


class State(NamedTuple):
    rows: tuple[Row, ...]
    families: tuple[Family, ...]
    family_of: tuple[int, ...]
    """The family of each token; that of token 0 means nothing."""
    budget: Budget
    refreshers: tuple[Refresher, ...] = ()
    callbacks: tuple[Callback, ...] = ()
    deliverers: tuple[Deliverer, ...] = ()
    requests: tuple[Request, ...] = ()
    strays: tuple[Stray, ...] = ()
    revocations: tuple[Revocation, ...] = ()
    ending: Ending | None = None
    resealers: tuple[Resealer, ...] = ()
    erasing: str = ""
    ends: tuple[int, ...] = (0, 0)
    doubtful: tuple[int, ...] = ()
    """Refresh tokens that were sent, or may have been, by somebody who didn't learn the outcome."""
    wrong: str = ""
    """A property that the last transition broke."""

    def row(self, index: int = ALICE, /, **changes: Any) -> State:
        return self._replace(rows=put(self.rows, index, self.rows[index]._replace(**changes)))

    def refresher(self, index: int, changed: Refresher) -> State:
        return self._replace(refreshers=put(self.refreshers, index, changed))

    def callback(self, index: int, changed: Callback) -> State:
        return self._replace(callbacks=put(self.callbacks, index, changed))

    def deliverer(self, index: int, changed: Deliverer) -> State:
        return self._replace(deliverers=put(self.deliverers, index, changed))

    def family(self, index: int, /, **changes: Any) -> State:
        return self._replace(families=put(self.families, index, self.families[index]._replace(**changes)))

    def spend(self, name: str) -> State:
        return self._replace(budget=self.budget._replace(**{name: getattr(self.budget, name) - 1}))

    def add_revocation(self, row: int, access: int, refresh: int, **values: Any) -> State:
        ended_version, unsure = values.pop("ended_version", 0), values.pop("unsure", False)
        added = Revocation(row, ended_version, access, refresh, unsure, **values)
        return self._replace(revocations=tuple(sorted((*self.revocations, added))))

    def change_revocation(self, revocation: Revocation, /, **changes: Any) -> State:
        return self._replace(revocations=tuple(sorted((*self._others(revocation), revocation._replace(**changes)))))

    def drop_revocation(self, revocation: Revocation) -> State:
        return self._replace(revocations=self._others(revocation))

    def _others(self, revocation: Revocation) -> tuple[Revocation, ...]:
        index = self.revocations.index(revocation)
        return (*self.revocations[:index], *self.revocations[index + 1 :])

    def doubt(self, refresh: int) -> State:
        return self._replace(doubtful=tuple(sorted({*self.doubtful, refresh})))

    def new_owner(self) -> int:
        """Owners are random in reality. Here it is the lowest number that nothing refers to, which keeps states few."""
        used = {self.rows[ALICE].owner}
        used.update(one.owner for one in self.refreshers)
        used.update(one.owner for one in self.requests)
        used.update(one.due for one in self.revocations)
        return unused(used)

    def revocation_of(self, owner: int) -> Revocation | None:
        return next((one for one in self.revocations if one.owner == owner and one.owner), None)

    def waited_for(self, request: Request) -> bool:
        return any(one.step == "sent" and one.owner == request.owner for one in self.refreshers)

    @property
    def has_stray_refreshes(self) -> bool:
        """Of a process that stands still beyond its lease, too."""
        timely = {one.owner for one in self.refreshers if one.step == "sent" and not one.late}
        return any(one.answer is None and one.owner not in timely for one in self.requests)


def unused(numbers: set[int]) -> int:
    return next(number for number in count(1) if number not in numbers)


def put(items: tuple[Any, ...], index: int, item: Any) -> tuple[Any, ...]:
    return (*items[:index], item, *items[index + 1 :])
