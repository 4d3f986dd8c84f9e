"""Visits every state that can be reached, breadth first, so that the first trace to a violation is a shortest one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.model import connecting, delivering, ending, passing, properties, refreshing
from tests.model.state import State
from tests.model.world import World

Trace = list[str]


@dataclass(slots=True)
class Outcome:
    """What an exploration found: for each broken property the shortest trace to it."""

    states: int = 0
    steps: int = 0
    violations: dict[str, Trace] = field(default_factory=dict[str, Trace])


def successors(world: World, state: State) -> Iterator[tuple[str, State]]:
    if state.wrong:
        return  # broken already: what follows shows nothing more
    yield from passing.steps(world, state)
    yield from refreshing.answer(world, state)
    yield from refreshing.steps(world, state)
    yield from ending.steps(world, state)
    yield from connecting.steps(world, state)
    yield from delivering.steps(world, state)


class Exploration:
    """Of all states that `world` can reach from `start`."""

    def __init__(self, world: World, start: State) -> None:
        self.world = world
        self._came_from: dict[State, tuple[State, str] | None] = {start: None}
        self._before: dict[State, list[State]] | None = None
        self.outcome = Outcome()
        self._todo = deque([start])

    def run(self, *, until: str | None = None, remember: bool = False) -> Outcome:
        """Visits all states, or those until the property `until` is broken. With `remember`, `can_always` works."""
        if remember:
            self._before = {}
        while self._todo and until not in self.outcome.violations:
            state = self._todo.popleft()
            self._judge(state)
            following = 0
            for label, after in successors(self.world, state):
                following += 1
                self._visit(state, label, after)
            if not following and any(one.step == "waiting" for one in state.refreshers):
                self._add(properties.ANSWERED, state)
            self.outcome.steps += following
        self.outcome.states = len(self._came_from)
        return self.outcome

    def _visit(self, state: State, label: str, after: State) -> None:
        if after not in self._came_from:
            self._came_from[after] = (state, label)
            self._todo.append(after)
        if self._before is not None:
            self._before.setdefault(after, []).append(state)

    def _judge(self, state: State) -> None:
        for name in properties.broken(self.world, state):
            self._add(name, state)

    def _add(self, name: str, state: State) -> None:
        if name not in self.outcome.violations:
            self.outcome.violations[name] = self.trace(state)

    def trace(self, state: State) -> Trace:
        """The transitions that lead to a state that was visited."""
        labels: Trace = []
        while came := self._came_from[state]:
            state, label = came
            labels.append(label)
        return labels[::-1]

    def can_always(self, goal: Callable[[State], bool]) -> Trace | None:
        """The trace to a state from which `goal` can't be reached any more, None if it always can."""
        assert self._before is not None
        good = {state for state in self._came_from if goal(state)}
        todo = list(good)
        while todo:
            for before in self._before.get(todo.pop(), []):
                if before not in good:
                    good.add(before)
                    todo.append(before)
        return next((self.trace(state) for state in self._came_from if state not in good), None)
