"""The schema as a reviewed file, the operations of REST against it, and caches that are really hit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from graphql import parse, validate

from providers.catalogue import read_catalogue
from resolvers.caller import Caller
from resolvers.context import Context, Resources
from resolvers.errors import InternalError
from rest.routes import ROUTES, RestRoute
from schema.documents import ANONYMOUS_CACHE_SIZE, CACHE_SIZE, MAX_CACHED_LENGTH
from schema.execution import Executor

ROOT = Path(__file__).parents[2]


def test_the_sdl_is_the_printed_schema() -> None:
    assert (ROOT / "schema.graphql").read_text(encoding="utf-8") == Executor(explore=True).sdl, "run `make sdl`"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_every_operation_of_rest_is_valid(route: RestRoute) -> None:
    assert validate(Executor(explore=False).graphql, parse(route.document)) == []


def test_every_operation_document_has_a_route() -> None:
    files = {path.stem for path in (ROOT / "rest" / "operations").iterdir()}
    assert files == {route.operation for route in ROUTES}


ALICE = Caller("alice", "app", frozenset())


def _context(caller: Caller | None = ALICE) -> Context:
    """Just what the public fields look at: the catalogue."""
    nothing: Any = None
    resources = Resources(
        catalogue=read_catalogue(),
        registrations={},
        redirects=nothing,
        database=nothing,
        vault=nothing,
        client=nothing,
        provider_timeout=1,
        background=nothing,
    )
    return Context(resources, caller=caller, request_id="test")


async def test_a_document_is_parsed_and_validated_once() -> None:
    executor = Executor(explore=False)
    known = executor._documents._cached
    for _ in range(5):
        assert (await executor.run("query OnlyHere { providers { slug } }", None, _context())).problem is None
    assert (known.cache_info().misses, known.cache_info().hits) == (1, 4)


async def test_our_own_documents_are_not_in_the_cache() -> None:
    executor = Executor(explore=False)
    ours = executor.read("query OnlyHere { providers { slug } }")
    assert (await executor.run(ours, None, _context())).problem is None
    assert executor._documents._cached.cache_info().currsize == 0


async def test_the_cache_is_bounded() -> None:
    executor = Executor(explore=False)
    for number in range(CACHE_SIZE * 2):
        await executor.run(f"query Q{number} {{ providers {{ slug }} }}", None, _context())
    assert executor._documents._cached.cache_info().currsize == CACHE_SIZE


async def test_anonymous_callers_evict_nothing() -> None:
    executor = Executor(explore=False)
    ours = "query Ours { providers { slug } }"
    await executor.run(ours, None, _context())
    for number in range(CACHE_SIZE * 2):
        await executor.run(f"query Q{number} {{ providers {{ slug }} }}", None, _context(caller=None))
    assert executor._documents._cached_anonymous.cache_info().currsize == ANONYMOUS_CACHE_SIZE
    await executor.run(ours, None, _context())
    assert executor._documents._cached.cache_info().hits == 1


@pytest.mark.parametrize("document", ["{", "{ nothing }", "{ providers { slug slug: name } }"])
async def test_invalid_documents_are_not_cached(document: str) -> None:
    executor = Executor(explore=False)
    for caller in (ALICE, None):
        assert (await executor.run(document, None, _context(caller))).problem is not None
    assert executor._documents._cached.cache_info().currsize == 0
    assert executor._documents._cached_anonymous.cache_info().currsize == 0


async def test_long_documents_are_not_cached() -> None:
    executor = Executor(explore=False)
    assert (await executor.run("{ providers { slug } } #" + "x" * MAX_CACHED_LENGTH, None, _context())).problem is None
    assert executor._documents._cached.cache_info().currsize == 0


def test_several_operations_have_no_plans() -> None:
    """Each would repeat them, so that a small text could fill the memory."""
    fields = "".join(f" a{number}: slug" for number in range(10))
    several = "".join(f" query q{number} {{ ...F }}" for number in range(15))
    document = Executor(explore=False).read(f"fragment F on Query {{ providers {{ {fields} }} }} {several}")
    assert not document.errors
    assert {operation.plan for operation in document.operations.values()} == {None}
    assert Executor(explore=False).read("{ providers { slug } }").operations[None].plan


async def _complaint(executor: Executor, document: str, context: Context) -> tuple[str, str]:
    problem = (await executor.run(document, None, context)).problem
    assert problem is not None
    return problem.code, problem.message


async def test_production_does_not_reveal_the_schema() -> None:
    closed, misspelt = Executor(explore=False), "{ provide { slug } }"
    for document in ("{ __schema { types { name } } }", '{ __type(name: "Query") { name } }', misspelt):
        code, message = await _complaint(closed, document, _context())
        assert code == "VALIDATION_ERROR"
        assert "Did you mean" not in message
    assert "Did you mean" in (await _complaint(Executor(explore=True), misspelt, _context()))[1]


async def test_unexpected_exceptions_are_masked() -> None:
    """Without resources a resolver fails as only a bug can."""
    nothing: Any = None
    broken = Context(nothing, caller=None, request_id="test")
    shown = await _complaint(Executor(explore=True), "{ providers { slug } }", broken)
    assert shown == (InternalError.code, InternalError.default)
