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

from rest.routes import ROUTES
from schema.execution import Executor, Failure
from schema.masking import problem_of
from tests.conftest import Person
from tests.interfaces import bearer
from tests.processes import Process

# A document of ordinary size: 29 tokens. It takes about 0.3 ms to parse, validate and compile.
ORDINARY = next(route.document for route in ROUTES if route.operation == "CompleteConnection")
# 5 ms are 15 times that.
MOST = 15
# For callers without a token.
MOST_ANONYMOUS = 6


def named(prefix: str, count: int, form: str = "%s") -> str:
    return " ".join(form.replace("%s", f"{prefix}{number}") for number in range(count))


def literal(members: int) -> str:
    return "{" + named("redirectUr", members, "%s: 1") + "}"


LONG = "x" * 120
HOSTILE = {
    "unknown members": "mutation { %s }" % named("a", 5, f"%s: authorizeConnection(input: {literal(28)}) {{ url }}"),
    "far more unknown members": "mutation { authorizeConnection(input: %s) { url } }" % literal(320),
    "unknown fields": "{ providers { %s } }" % named("slux", 240),
    "unknown fields with long names": "{ providers { %s } }" % named(LONG, 240),
    "unknown arguments": "{ providers(%s) { slug } }" % named("a", 140, "%s: 1"),
    "unknown directives": "{ providers { %s } }" % named("a", 50, "slug @%s(if: false)"),
    "an error after many directives": "{ providers { %s nothing } }" % ("slug @skip(if: false) " * 50),
    "unknown types": "query(%s) { __typename }" % named("v", 70, "$%s: CompleteConnectionInpt"),
    "unused variables": "query(%s) { __typename }" % named("v", 90, "$%s: Int"),
    "undefined variables": "{ %s }" % named("a", 5, "%s: provider(slug: $%s) { slug @skip(if: $%s) }"),
    "unused fragments": "{ __typename } %s" % named("f", 29, "fragment %s on Query { __typename providers { slug } }"),
    "spreads": "{ providers { %s nothing } } %s"
    % (named("...f", 25), named("f", 25, "fragment %s on Provider { slug name }")),
    "far more spreads": "{ providers { %s } } %s"
    % (named("...f", 80), named("f", 80, "fragment %s on Provider { slug }")),
    "spreads within spreads": "{ providers { ...f0 } } fragment f14 on Provider { nothing } "
    + " ".join(f"fragment f{n} on Provider {{ ...f{n + 1} ...f{n + 1} }}" for n in range(14)),
    "a cycle of fragments": "{ ...f0 } "
    + " ".join(f"fragment f{n} on Query {{ ...f{(n + 1) % 28} }}" for n in range(28)),
    "inline fragments": "{ providers { %s nothing } }" % ("... on Provider { slug } " * 29),
    "fields again and again": "{ providers { %s nothing } }" % ("slug " * 240),
    "fields again with directives": "{ providers { %s nothing } }" % ("slug @include(if: true) " * 49),
    "fields again with selections": "{ connections(userId: 1) { %s nothing } }" % ("provider { slug id } " * 55),
    "fields again with arguments": "{ providers { %s } }" % ("scopes(a: 1) " * 70),
    "fields in conflict": "{ providers { %s } }" % ("a: slug a: name " * 7),
    "operations": " ".join(f"query q{n} {{ providers {{ slug }} }}" for n in range(29)) + " query q1 { __typename }",
    "operations without names": "{ __typename } " * 30,
    "a long list": "{ provider(slug: [%s]) { slug } }" % ("1 " * 280),
    "lists in lists": "{ provider(slug: %s) { slug } }" % ("[" * 150 + "]" * 150),
    "objects in objects": "{ provider(slug: %s) { slug } }" % ("{a: " * 100 + "1" + "}" * 100),
    "a list type": "query($v: %s) { __typename }" % ("[" * 150 + "Int" + "]" * 150),
    "a deep document": "{ a " * 190 + "} " * 190,
    "a long string": '{ provider(slug: "%s") { nothing } }' % ("x" * 64_000),
    "long strings that are rejected": "{ providers { %s } }" % (f'slug @skip(if: "{"x" * 1200}") ' * 50),
    "escapes": '{ provider(slug: "%s") { nothing } }' % ("\\n" * 1020),
    "far more escapes": '{ provider(slug: "%s") { nothing } }' % ("\\n" * 32_000),
    "a block string": '{ provider(slug: """%s""") { nothing } }' % ("x\n" * 1020),
    "a long block string": '{ provider(slug: """%s""") { nothing } }' % ("x\n" * 32_000),
    "a block string that pretends to end": '{ provider(slug: """\\"""%s""") { nothing } }' % ("x\n" * 32_000),
    "a string without end": '{ provider(slug: "%s' % ("\\n" * 32_000),
    "a long name": "{ %s }" % ("x" * 64_000),
    "a long number": "{ provider(slug: %s) { slug } }" % ("1" * 64_000),
    "a long comment": "#" + "x" * 64_000 + "\n{ nothing }",
    "comments": "#\n" * 990 + "{ nothing }",
    "far more comments": "#\n" * 32_000 + "{ nothing }",
    "blanks": " " * 64_000 + "{ nothing }",
    "lines": "\n" * 990 + "{ %s }" % named("a", 10),
    "far more lines": "\n" * 64_000 + "{ nothing }",
    "lines and an error at the end": "\n" * 64_000 + "{",
    "punctuation": "{ providers(" + ":" * 1000,
    "tokens": "{ providers { %s" % ("slug " * 1000),
    "types of a schema": named("t", 90, "type %s { a: Int }"),
    "introspection": "{ __schema { types { %s } } }" % named("a", 120, "%s: name"),
}
HOSTILE_ANONYMOUS = {
    **HOSTILE,
    "tokens that fit": "{ providers { %s } }" % ("slug " * 95),
    "fields that fit": "{ providers { %s nothing } }" % ("slug @skip(if: true) " * 11),
    "aliases that fit": "{ %s providers { nothing } }"
    % named("a", 4, "%s: providers { a: slug b: name a c: id d: slug }"),
    "arguments that fit": "{ %s }" % named("a", 4, '%s: provider(slug: "x", no: 1) { slug }'),
    "spreads that fit": "{ providers { %s } } %s"
    % (named("...f", 9), named("f", 9, "fragment %s on Provider { slug }")),
    "variables that fit": "query(%s) { __typename }" % named("v", 22, "$%s: Int"),
    "escapes that fit": '{ provider(slug: "%s") { nothing } }' % ("\\n" * 1020),
    "bytes that fit": '{ provider(slug: "%s") { nothing } }' % ("x" * 6000),
}


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


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


async def test_a_thousand_of_them_leave_nothing(client: httpx.AsyncClient, gateway: Process, someone: Person) -> None:
    """1,000 different documents of 16 KiB."""
    url = f"{gateway.origin}/graphql"

    async def send(number: int) -> None:
        kind = list(HOSTILE)[number % len(HOSTILE)]
        document = f"{HOSTILE[kind][: 15 * 1024]} # {number}"
        document += "x" * (16 * 1024 - len(document))
        headers = bearer(someone.token if number % 2 else None) | {"Content-Type": "application/json"}
        answer = await client.post(url, content=json.dumps({"query": document}), headers=headers)
        assert "errors" in answer.json()

    for number in range(100):
        await send(number)
    before = memory_mb(gateway.pid)
    for start in range(0, 1000, 20):
        await asyncio.gather(*(send(number) for number in range(start, start + 20)))
    assert memory_mb(gateway.pid) - before < 20
