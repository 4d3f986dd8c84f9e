"""An operation's plan: its root fields, each with its arguments, its resolver and the completion of its value."""

from __future__ import annotations

from collections.abc import Sequence
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
from msgspec import Struct

from resolvers.context import Context
from schema.plans.fields import Info, NotCovered, Resolver, resolver_of
from schema.plans.inputs import (
    Arguments,
    Prepare,
    ReadArguments,
    compile_arguments,
    compile_preparation,
    no_arguments,
)
from schema.plans.outputs import Complete, Position, Run, typename
from schema.plans.selections import Details, LeafResolution, Selections

# For `__typename`, whose completion looks at no value.
_NO_RESOLVER: Final = Resolver(type, takes_info=False, is_async=False)


class RootField(Struct, frozen=True):
    """A field at the root of the operation, `key` in the response's data. `selected` are the names of the fields that
    are selected of its value."""

    key: str
    position: Position
    arguments: ReadArguments
    resolver: Resolver
    complete: Complete
    selected: frozenset[str] = frozenset()

    def _call(self, run: Run, arguments: Arguments) -> Any:
        if self.resolver.takes_info:
            return self.resolver.call(None, info=run.info, **arguments)
        return self.resolver.call(None, **arguments)

    def resolve(self, run: Run, arguments: Arguments) -> Any:
        try:
            return self.complete(self._call(run, arguments), run, (None, self.key))
        except Exception as fault:  # noqa: BLE001 - resolvers may raise anything
            return run.fail(fault, self.position, (None, self.key))

    async def resolve_async(self, run: Run, arguments: Arguments) -> Any:
        try:
            return self.complete(await self._call(run, arguments), run, (None, self.key))
        except Exception as fault:  # noqa: BLE001 - resolvers may raise anything
            return run.fail(fault, self.position, (None, self.key))


class Plan(Struct, frozen=True):
    """How an operation runs: `prepare`, which may decline, then `run`."""

    prepare: Prepare
    roots: Sequence[RootField]
    serial: bool

    async def run(self, prepared: Sequence[Arguments], context: Context) -> ExecutionResult:
        """What graphql-core's executor would return. Mutations run one after the other, queries concurrently."""
        errors: list[GraphQLError] = []
        data: dict[str, Any] | None = {}
        runs = [Run(Info(context, root.selected), errors) for root in self.roots]
        try:
            if self.serial or len(runs) == 1:
                for root, run, arguments in zip(self.roots, runs, prepared, strict=True):
                    if root.resolver.is_async:
                        data[root.key] = await root.resolve_async(run, arguments)
                    else:
                        data[root.key] = root.resolve(run, arguments)
            else:
                await self._concurrently(runs, prepared, data)
        except GraphQLError as error:
            errors.append(error)
            data = None
        return ExecutionResult(data, errors or None)

    async def _concurrently(self, runs: Sequence[Run], prepared: Sequence[Arguments], data: dict[str, Any]) -> None:
        """Asynchronous fields start when all others are done."""
        waiting: list[tuple[RootField, Run, Arguments]] = []
        for root, run, arguments in zip(self.roots, runs, prepared, strict=True):
            data[root.key] = None
            if root.resolver.is_async:
                waiting.append((root, run, arguments))
            else:
                data[root.key] = root.resolve(run, arguments)
        if waiting:
            done = await gather_with_cancel(*(root.resolve_async(run, arguments) for root, run, arguments in waiting))
            data.update(zip((root.key for root, _, _ in waiting), done, strict=True))


class Plans:
    """Compiles operations of a schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._leaves: dict[str, LeafResolution] = {}

    def compile(self, document: DocumentNode, operation: OperationDefinitionNode) -> Plan | None:
        """The plan of an operation of a valid document. None if plans don't cover it."""
        kind = self._schema.get_root_type(operation.operation)
        if kind is None or operation.directives or operation.operation is OperationType.SUBSCRIPTION:
            return None
        try:
            selections = Selections(self._schema, self._leaves, document, operation)
            roots = [_root(selections, kind, key, details) for key, details in selections.collect_roots(kind).items()]
            prepare = compile_preparation(self._schema, operation, [root.arguments for root in roots])
        except NotCovered:
            return None
        return Plan(prepare, roots, serial=operation.operation is OperationType.MUTATION)


def _root(selections: Selections, kind: GraphQLObjectType, key: str, details: Details) -> RootField:
    field, position = selections.field(kind, details)
    node = details[0].node
    if node.name.value == "__typename":
        return RootField(key, position, no_arguments, _NO_RESOLVER, typename(kind))
    return RootField(
        key,
        position,
        compile_arguments(field, node),
        resolver_of(field),
        selections.completion(field.type, position, details),
        selections.selected(field.type, details),
    )
