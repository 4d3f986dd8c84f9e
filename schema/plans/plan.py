"""An operation's plan: its root fields, each with its arguments, its resolver and what becomes of the value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
)
from graphql.pyutils import gather_with_cancel

from resolvers.context import Context
from schema.plans import inputs
from schema.plans.fields import Here, NotCovered, Resolver, defined, resolver_of
from schema.plans.outputs import Complete, Place, Run
from schema.plans.selections import Details, Selections, placed, typename

Given = dict[str, Any]
"""The arguments of a root field, as its resolver takes them."""


_NOTHING: Final = Resolver(type, takes_info=False, is_async=False)
"""For `__typename`, which looks at no value."""


@dataclass(frozen=True, slots=True)
class Root:
    """A root field, which stands at `key` in the data."""

    key: str
    place: Place
    arguments: Callable[[inputs.Known], Given]
    resolver: Resolver
    complete: Complete

    def now(self, run: Run, given: Given) -> Any:
        try:
            return self.complete(self._value(run, given), run, (None, self.key))
        except Exception as fault:  # noqa: BLE001 - whatever a resolver raises
            return run.failed(fault, self.place, (None, self.key))

    async def soon(self, run: Run, given: Given) -> Any:
        try:
            return self.complete(await self._value(run, given), run, (None, self.key))
        except Exception as fault:  # noqa: BLE001 - whatever a resolver raises
            return run.failed(fault, self.place, (None, self.key))

    def _value(self, run: Run, given: Given) -> Any:
        if self.resolver.takes_info:
            return self.resolver.call(None, info=run.here, **given)
        return self.resolver.call(None, **given)


@dataclass(frozen=True, slots=True)
class Plan:
    """How an operation runs: `prepared`, which may say no, then `run`."""

    variables: Callable[[Mapping[str, Any]], inputs.Known]
    roots: Sequence[Root]
    serial: bool

    def prepared(self, variables: Mapping[str, Any]) -> Sequence[Given] | None:
        """The arguments of each root field; None when the variables are not plainly valid. Nothing has run yet."""
        try:
            known = self.variables(variables)
            return [root.arguments(known) for root in self.roots]
        except Exception:  # noqa: BLE001 - a scalar says no by raising whatever it likes
            return None

    async def run(self, prepared: Sequence[Given], context: Context) -> ExecutionResult:
        """What graphql-core's executor would return. Mutations run one after the other, queries side by side."""
        run = Run(Here(context))
        data: dict[str, Any] | None = {}
        try:
            await (self._serially if self.serial else self._together)(run, prepared, data)
        except GraphQLError as error:
            run.errors.append(error)
            data = None
        return ExecutionResult(data, run.errors or None)

    async def _serially(self, run: Run, prepared: Sequence[Given], data: dict[str, Any]) -> None:
        for root, given in zip(self.roots, prepared, strict=True):
            data[root.key] = await root.soon(run, given) if root.resolver.is_async else root.now(run, given)

    async def _together(self, run: Run, prepared: Sequence[Given], data: dict[str, Any]) -> None:
        """Those that wait for something begin when all others are done."""
        waiting: list[tuple[Root, Given]] = []
        for root, given in zip(self.roots, prepared, strict=True):
            data[root.key] = None
            if root.resolver.is_async:
                waiting.append((root, given))
            else:
                data[root.key] = root.now(run, given)
        if len(waiting) == 1:
            root, given = waiting[0]
            data[root.key] = await root.soon(run, given)
        elif waiting:
            done = await gather_with_cancel(*(root.soon(run, given) for root, given in waiting))
            data.update(zip((root.key for root, _ in waiting), done, strict=True))


class Plans:
    """Makes plans for a schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._leaves: dict[str, Complete] = {}

    def plan(self, document: DocumentNode, operation: OperationDefinitionNode) -> Plan | None:
        """The plan of an operation of a valid document; None for what plans don't cover."""
        kind = self._schema.get_root_type(operation.operation)
        if kind is None or operation.directives or operation.operation is OperationType.SUBSCRIPTION:
            return None
        try:
            selections = Selections(self._schema, self._leaves, document, operation)
            roots = [_root(selections, kind, key, details) for key, details in selections.roots(kind).items()]
            variables = inputs.variables(self._schema, operation)
        except NotCovered:
            return None
        return Plan(variables, roots, serial=operation.operation is OperationType.MUTATION)


def _root(selections: Selections, kind: GraphQLObjectType, key: str, details: Details) -> Root:
    field, node = selections.field(kind, details), details[0].node
    name = f"{kind.name}.{node.name.value}"
    place = placed(field.type, name, details)
    if node.name.value == "__typename":
        return Root(key, place, inputs.no_arguments, _NOTHING, typename(kind))
    return Root(
        key,
        place,
        inputs.arguments(field, node),
        resolver_of(defined(field)),
        selections.completion(field.type, name, details),
    )
