"""The cost of documents that are built to be expensive: little more than one of ours, and no memory."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings, target
from hypothesis import strategies as st

from rest.routes import ROUTES
from schema.execution import Executor, Failure
from schema.masking import problem_of
from tests.conftest import Person
from tests.interfaces import bearer
from tests.processes import Process
from tests.schema.hostile_documents import HOSTILE, HOSTILE_ANONYMOUS, LONG, named, nested

# A document of ordinary size: 29 tokens. It takes about 0.3 ms to parse, validate and compile.
ORDINARY = next(route.document for route in ROUTES if route.operation == "CompleteConnection")
# 5 ms are 15 times that.
MOST = 15
# For callers without a token.
MOST_ANONYMOUS = 6


class Reader:
    """Reads documents as a request does, including the answers."""

    def __init__(self, *, explore: bool, anonymous: bool) -> None:
        self._explore = explore
        self._anonymous = anonymous
        self._documents = Executor(explore=explore)._documents

    def __call__(self, document: str) -> None:
        read = self._documents.read(document, anonymous=self._anonymous)
        for error in read.errors:
            assert Failure(problem_of(error, suggest=self._explore), error).formatted

    def calls(self, document: str) -> int:
        """The number of function calls that reading it takes, which is the same on every machine, however busy."""
        self(document)
        count = 0

        def profile(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        gc.disable()
        sys.setprofile(profile)
        try:
            self(document)
        finally:
            sys.setprofile(None)
            gc.enable()
        return count

    def ratio(self, document: str) -> float:
        """CPU time relative to an ordinary document, measured in turn with it. The best of several runs."""
        taken: dict[str, list[float]] = {document: [], ORDINARY: []}
        for _ in range(5):
            for text, times in taken.items():
                began = time.process_time()
                self(text)
                times.append(time.process_time() - began)
        return min(taken[document]) / min(taken[ORDINARY])


@pytest.fixture(scope="module", params=[False, True], ids=["closed", "open"])
def reader(request: pytest.FixtureRequest) -> Reader:
    return Reader(explore=request.param, anonymous=False)


@pytest.fixture(scope="module", params=[False, True], ids=["closed", "open"])
def anonymous_reader(request: pytest.FixtureRequest) -> Reader:
    return Reader(explore=request.param, anonymous=True)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_document(reader: Reader, kind: str) -> None:
    assert reader.calls(HOSTILE[kind]) < MOST * reader.calls(ORDINARY)
    assert reader.ratio(HOSTILE[kind]) < MOST


@pytest.mark.parametrize("kind", HOSTILE_ANONYMOUS)
def test_a_hostile_document_without_a_token(anonymous_reader: Reader, reader: Reader, kind: str) -> None:
    assert anonymous_reader.calls(HOSTILE_ANONYMOUS[kind]) < MOST_ANONYMOUS * reader.calls(ORDINARY)


LEAVES = st.sampled_from(
    ["1", "9" * 128, "1.5e3", "true", "null", "ENUM", "$v", '"x"', f'"{LONG}"', '"""b"""', '"\\n"']
)
MEMBERS = st.sampled_from(["a", "provider", "code", "state", "redirectUri", "slug", LONG])
TIMES = st.sampled_from([1, 1, 2, 5, 25, 60, 120])


def _within(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.tuples(inner, TIMES).map(lambda given: f"[{f'{given[0]} ' * given[1]}]")
    one = st.tuples(MEMBERS, inner, st.integers(1, 12)).map(lambda given: nested(given[0], given[2], given[1]))
    members = st.tuples(MEMBERS, inner, TIMES).map(
        lambda given: "{" + named(given[0], given[2], f"%s: {given[1].replace('%', '')}") + "}"
    )
    return lists | one | members


LITERALS = st.recursive(LEAVES, _within, max_leaves=8)
PLACES = st.sampled_from(
    [
        "query($v: String = %s) { provider(slug: $v) { slug } }",
        "query($v: CompleteConnectionInput = %s) { __typename }",
        "query($v: String) { provider(slug: %s) { slug } }",
        "query($v: String) { providers @include(if: %s) { slug } }",
        'query($v: String) { __type(name: %s) { name } provider(slug: "x") { slug @skip(if: $v) } }',
        "query($v: String) { ...F } fragment F on Query { provider(slug: %s) { slug } }",
        "mutation($v: String) { completeConnection(input: %s) { connection { id } } }",
        "mutation($v: String) { completeConnection(input: {provider: %s}) { connection { id } } }",
        "mutation($v: String) { a: authorizeConnection(input: %s) { url } b: authorizeConnection(input: %s) { url } }",
    ]
)


@pytest.fixture(scope="module")
def most_calls(reader: Reader) -> int:
    return MOST * reader.calls(ORDINARY)


@settings(deadline=None, max_examples=50)
@given(PLACES, LITERALS)
def test_any_value(reader: Reader, most_calls: int, place: str, literal: str) -> None:
    calls = reader.calls(place.replace("%s", literal))
    # Lets the search prefer what costs more.
    target(float(calls))
    assert calls < most_calls


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


async def test_a_thousand_of_them_leave_nothing(
    client: httpx.AsyncClient, any_gateway: Process, someone: Person
) -> None:
    """1,000 different documents of 16 KiB."""
    url = f"{any_gateway.origin}/graphql"

    async def send(number: int) -> None:
        kind = list(HOSTILE)[number % len(HOSTILE)]
        document = f"{HOSTILE[kind][: 15 * 1024]} # {number}"
        document += "x" * (16 * 1024 - len(document))
        headers = bearer(someone.token if number % 2 else None) | {"Content-Type": "application/json"}
        answer = await client.post(url, content=json.dumps({"query": document}), headers=headers)
        assert "errors" in answer.json()

    for number in range(100):
        await send(number)
    before = memory_mb(any_gateway.pid)
    for start in range(0, 1000, 20):
        await asyncio.gather(*(send(number) for number in range(start, start + 20)))
    assert memory_mb(any_gateway.pid) - before < 20
