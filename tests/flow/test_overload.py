"""The whole gateway under more load than it can handle: every request gets a helpful response, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import Person, begin, catalogue_over, held, start_gateway
from tests.gateway.http11.loopback_app import Answer, at_once, get, post
from tests.interfaces import DOCUMENTS, GraphQL, Interface, Rest
from tests.processes import Process
from tests.proxy import Proxy
from tests.sandbox_control import Sandbox
from tests.waiting import until

# More than two slots and the queue hold.
FLOOD = 500


@pytest.fixture(scope="module")
async def provider(sandbox_process: Process) -> AsyncGenerator[Proxy]:
    """The line to the sandbox's token endpoint."""
    line = Proxy(sandbox_process.port)
    await line.open()
    yield line
    await line.close()


@pytest.fixture(scope="module")
def narrow(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], sandbox_process: Process, provider: Proxy
) -> Generator[Process]:
    """A gateway that runs two requests at once."""
    folder = tmp_path_factory.mktemp("narrow")
    limits = {"TENDON_CONCURRENCY": "2", "TENDON_RATE_LIMIT": "20/minute", "TENDON_LOG_LEVEL": "INFO"}
    catalogue = catalogue_over(provider, sandbox_process, folder / "catalogue")
    process = start_gateway(folder, settings | limits | held(catalogue))
    yield process
    assert process.stop() == 0


@pytest.fixture(scope="module")
async def crowd() -> AsyncGenerator[httpx.AsyncClient]:
    """A client with enough connections for all requests at once."""
    limits = httpx.Limits(max_connections=2 * FLOOD)
    async with httpx.AsyncClient(trust_env=False, timeout=60, limits=limits) as client:
        yield client


@pytest.fixture(params=[Rest, GraphQL], ids=["rest", "graphql"])
def api(request: pytest.FixtureRequest, crowd: httpx.AsyncClient, narrow: Process) -> Interface:
    return request.param(crowd, narrow.origin)


def people(count: int) -> list[Person]:
    return [Person(f"user-{uuid4().hex}") for _ in range(count)]


async def due(api: Interface, sandbox: Sandbox, person: Person) -> tuple[Person, dict[str, Any]]:
    return person, await begin(api, sandbox, person)


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def list_request(api: Interface, person: Person) -> bytes:
    if api.name == "rest":
        return get(f"/v1/connections?userId={person.id}", *lines(person))
    query = {"query": DOCUMENTS["ListConnections"], "variables": {"userId": person.id}}
    return post("/graphql", query, *lines(person))


def callback_request(api: Interface, person: Person, callback: dict[str, Any]) -> bytes:
    if api.name == "rest":
        return post("/v1/connections/callback", callback, *lines(person))
    query = {"query": DOCUMENTS["CompleteConnection"], "variables": {"input": callback}}
    return post("/graphql", query, *lines(person))


def lines(person: Person) -> list[str]:
    return [f"Authorization: Bearer {person.token}", "Connection: close"]


def refused(answer: Answer) -> bool:
    """Whether it was, and then with all that is due."""
    if answer.status != 503:
        assert answer.status in (200, 201)
        assert "errors" not in answer.body
        return False
    assert answer.headers["retry-after"] == "1"
    assert len(answer.headers["x-request-id"]) == 32
    if "errors" in answer.body:
        assert answer.body["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
    else:
        assert answer.body["error"] == "service_unavailable"
    return True


async def test_a_flood(api: Interface, sandbox: Sandbox, narrow: Process, crowd: httpx.AsyncClient) -> None:
    """Callbacks in a crowd of lists. Each is answered; a refused one works when it is sent again, and its state was not
    spent, which the provider's log says too."""
    callbacks = [await due(api, sandbox, person) for person in people(20)]
    # When the queue is full, its oldest requests are rejected first.
    requests = [callback_request(api, person, callback) for person, callback in callbacks]
    requests += [list_request(api, person) for person in people(FLOOD)]
    health = asyncio.create_task(crowd.get(f"{narrow.origin}/livez"))
    turned_away = [refused(answer) for answer in await at_once(narrow.port, requests)]
    assert (await health).status_code == 200
    assert any(turned_away[: len(callbacks)])
    assert not all(turned_away)
    for (person, callback), was_refused in zip(callbacks, turned_away, strict=False):
        assert len(await sandbox.exchanges(callback["code"])) == (not was_refused)
        again = await api.complete(person.token, **callback)
        assert again.connection["userId"] == person.id
        assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_one_line_for_many_refusals(narrow: Process) -> None:
    """For those of the tests before."""
    await until(lambda: "overloaded" in narrow.said, "the line")
    assert 1 <= narrow.said.count("overloaded") < 20
    assert 503 not in [line["status"] for line in narrow.logged("request")]


async def test_memory_stays_flat(api: Interface, narrow: Process) -> None:
    async def flood() -> float:
        await at_once(narrow.port, [list_request(api, person) for person in people(FLOOD)])
        return memory_mb(narrow.pid)

    await flood()
    before = await flood()
    assert max([await flood() for _ in range(4)]) - before < 20


async def test_equal_callbacks_wait_for_one_result(api: Interface, sandbox: Sandbox) -> None:
    """More of them than there are slots, while the provider takes longer than the queue's time-out."""
    person, callback = await due(api, sandbox, people(1)[0])
    await sandbox.fault("sandbox", "slow", seconds=1.5)
    # No more than the rate allows.
    answers = await asyncio.gather(*(api.complete(person.token, **callback) for _ in range(15)))
    assert Counter(answer.status for answer in answers) in ({201: 15}, {200: 15})
    assert len({answer.connection["id"] for answer in answers}) == 1
    assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_a_slow_provider_holds_up_no_other_requests(api: Interface, sandbox: Sandbox, provider: Proxy) -> None:
    """Twelve callbacks wait for a provider; two slots are enough for all other requests."""
    callbacks = [await due(api, sandbox, person) for person in people(12)]
    provider.hold_replies()
    waiting = [asyncio.create_task(api.complete(person.token, **callback)) for person, callback in callbacks]
    for _, callback in callbacks:
        await sandbox.asked(callback["code"])
    person = people(1)[0]
    assert (await api.connections(person.token, userId=person.id)).data == {"connections": []}
    assert not any(task.done() for task in waiting)
    provider.flow()
    assert [(await task).code for task in waiting] == [None] * 12


async def test_a_caller_who_asks_for_too_much(api: Interface, narrow: Process) -> None:
    """20 a minute. Other callers are not affected, and the log does not name the caller."""
    person, other = people(2)
    answers = [await api.connections(person.token, userId=person.id) for _ in range(22)]
    assert [answer.code for answer in answers[:20]] == [None] * 20
    for answer in answers[21:]:
        assert (answer.status, answer.code) == (429, "RATE_LIMITED")
        assert 1 <= int(answer.headers["retry-after"]) <= 3
    assert (await api.connections(other.token, userId=other.id)).code is None
    assert "caller.limited" in narrow.said
    assert person.id not in narrow.said


async def test_all_without_a_token_share_one_rate(api: Interface, crowd: httpx.AsyncClient, narrow: Process) -> None:
    """20 a minute for all of them together, over either interface. Callers with a token, pages and probes are not
    affected."""
    answers = [await api.connections(None, userId="anybody") for _ in range(25)]
    assert {answer.code for answer in answers} <= {"UNAUTHENTICATED", "RATE_LIMITED"}
    refused = [answer for answer in answers if answer.code == "RATE_LIMITED"]
    assert len(refused) >= 4
    for answer in refused:
        assert answer.status == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    public = await crowd.post(f"{narrow.origin}/graphql", json={"query": "{ providers { slug } }"})
    assert (public.status_code, public.json()["errors"][0]["extensions"]["code"]) == (429, "RATE_LIMITED")
    for path in ("/livez", "/readyz", "/openapi.json", "/"):
        assert (await crowd.get(f"{narrow.origin}{path}")).status_code == 200
    person = people(1)[0]
    assert (await api.connections(person.token, userId=person.id)).code is None


async def test_a_callback_over_the_rate_does_not_claim_its_state(api: Interface, sandbox: Sandbox) -> None:
    person, callback = await due(api, sandbox, people(1)[0])
    while (await api.connections(person.token, userId=person.id)).code is None:
        pass
    refused = await api.complete(person.token, **callback)
    assert refused.code == "RATE_LIMITED"
    assert not await sandbox.exchanges(callback["code"])
    await asyncio.sleep(int(refused.headers["retry-after"]))
    assert (await api.complete(person.token, **callback)).connection["userId"] == person.id


async def test_each_root_field_counts(crowd: httpx.AsyncClient, narrow: Process) -> None:
    """Five fields in a request are five operations, so 20 a minute allow four such requests."""
    person = people(1)[0]
    fields = " ".join(f'f{number}: connections(userId: "{person.id}") {{ id }}' for number in range(5))
    headers = {"Authorization": f"Bearer {person.token}", "Accept": "application/graphql-response+json"}
    query = {"query": f"{{ {fields} }}"}
    answers = [await crowd.post(f"{narrow.origin}/graphql", json=query, headers=headers) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    assert answers[-1].json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert int(answers[-1].headers["retry-after"]) >= 1
