"""Which documents are cached, and that the caches are really hit and bounded."""

from __future__ import annotations

import pytest

from schema.documents import ANONYMOUS_CACHE_SIZE, CACHE_SIZE, MAX_CACHED_LENGTH
from schema.execution import Executor
from tests.schema.contexts import ALICE, public_context


async def test_a_document_is_parsed_and_validated_once() -> None:
    executor = Executor(explore=False)
    known = executor._documents._cached
    for _ in range(5):
        assert (await executor.run("query OnlyHere { providers { slug } }", None, public_context())).problem is None
    assert (known.cache_info().misses, known.cache_info().hits) == (1, 4)


async def test_our_own_documents_are_not_in_the_cache() -> None:
    executor = Executor(explore=False)
    ours = executor.read("query OnlyHere { providers { slug } }")
    assert (await executor.run(ours, None, public_context())).problem is None
    assert executor._documents._cached.cache_info().currsize == 0


async def test_the_cache_is_bounded() -> None:
    executor = Executor(explore=False)
    for number in range(CACHE_SIZE + 1):
        await executor.run(f"query Q{number} {{ __typename }}", None, public_context())
    assert executor._documents._cached.cache_info().currsize == CACHE_SIZE


async def test_anonymous_callers_evict_nothing() -> None:
    executor = Executor(explore=False)
    ours = "query Ours { providers { slug } }"
    await executor.run(ours, None, public_context())
    for number in range(CACHE_SIZE):
        await executor.run(f"query Q{number} {{ __typename }}", None, public_context(caller=None))
    assert executor._documents._cached_anonymous.cache_info().currsize == ANONYMOUS_CACHE_SIZE
    await executor.run(ours, None, public_context())
    assert executor._documents._cached.cache_info().hits == 1


@pytest.mark.parametrize("document", ["{", "{ nothing }", "{ providers { slug slug: name } }"])
async def test_invalid_documents_are_not_cached(document: str) -> None:
    executor = Executor(explore=False)
    for caller in (ALICE, None):
        assert (await executor.run(document, None, public_context(caller))).problem is not None
    assert executor._documents._cached.cache_info().currsize == 0
    assert executor._documents._cached_anonymous.cache_info().currsize == 0


async def test_long_documents_are_not_cached() -> None:
    executor = Executor(explore=False)
    assert (
        await executor.run("{ providers { slug } } #" + "x" * MAX_CACHED_LENGTH, None, public_context())
    ).problem is None
    assert executor._documents._cached.cache_info().currsize == 0
