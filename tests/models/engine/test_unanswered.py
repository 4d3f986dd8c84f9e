"""Connections whose statement was given up: until when each keeps its slot. No time passes but that of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from structlog.testing import capture_logs

from models.engine.unanswered import Unanswered
from resolvers.log_context import LOG_CONTEXT
from tests.gateway.virtual_time import in_virtual_time, now, settle


class Connection:
    def __init__(self, process_id: int) -> None:
        self.process_id = process_id
        self.unanswered = asyncio.get_running_loop().create_future()
        self.opened_at = now() - 100
        self.in_transaction = False
        self.closed = False
        self.executed: list[str] = []
        self.hangs = False

    def is_closed(self) -> bool:
        return self.closed

    def is_in_transaction(self) -> bool:
        return self.in_transaction

    def lose(self) -> None:
        self.closed = True
        self.unanswered.set_result(None)

    async def execute(self, text: str) -> None:
        self.executed.append(text)
        if self.hangs:
            await asyncio.sleep(1000)


class Server:
    """Which sessions exist there. `asked` are the questions: process ids, and the ages of the connections. `contexts`
    are the fields of what was logged about them."""

    def __init__(self) -> None:
        self.existing: set[int] | None = {1, 2, 3}
        self.fault: Exception | None = None
        self.asked: list[dict[int, float]] = []
        self.contexts: set[tuple[str, ...]] = set()
        self.ended: list[tuple[Connection, bool, float]] = []
        self._began = now()
        self.distrusted: list[float] = []
        self.unanswered = Unanswered(self._end, self._sessions, lambda: self.distrusted.append(now() - self._began), 5)

    def _end(self, connection: Connection, usable: bool) -> None:
        self.ended.append((connection, usable, now() - self._began))

    async def _sessions(self, ages: Mapping[int, float]) -> set[int] | None:
        self.asked.append(dict(ages))
        self.contexts.add(tuple(LOG_CONTEXT.get()))
        if self.fault is not None:
            raise self.fault
        return self.existing

    def hold(self, process_id: int) -> Connection:
        connection = Connection(process_id)
        self.unanswered.hold(connection)
        return connection


@in_virtual_time
async def test_a_connection_comes_back_when_the_server_has_answered() -> None:
    server = Server()
    connection = server.hold(1)
    await asyncio.sleep(3)
    assert server.ended == []
    connection.unanswered.set_result(None)
    await settle()
    assert server.ended == [(connection, True, 3)]
    assert connection.executed == []
    await asyncio.sleep(100)
    assert server.distrusted == []


@in_virtual_time
async def test_a_server_that_does_not_answer_in_time_is_distrusted() -> None:
    server = Server()
    connection = server.hold(1)
    await asyncio.sleep(8)
    assert server.distrusted == [5]
    connection.unanswered.set_result(None)
    await settle()
    assert server.ended == [(connection, True, 8)]


@in_virtual_time
async def test_a_transaction_that_is_still_open_is_rolled_back() -> None:
    server = Server()
    connection = server.hold(1)
    connection.in_transaction = True
    connection.unanswered.set_result(None)
    await settle()
    assert server.ended == [(connection, True, 0)]
    assert connection.executed == ["ROLLBACK"]


@in_virtual_time
async def test_a_rollback_that_hangs_costs_the_connection() -> None:
    server = Server()
    connection = server.hold(1)
    connection.in_transaction = connection.hangs = True
    connection.unanswered.set_result(None)
    await asyncio.sleep(5)
    assert server.ended == [(connection, False, 1)]


@in_virtual_time
async def test_a_connection_that_was_lost_keeps_its_slot_as_long_as_its_session_exists() -> None:
    """As when a proxy ends connections that were silent for a minute."""
    server = Server()
    server.existing = {1}
    connection = server.hold(1)
    await asyncio.sleep(60.5)
    connection.lose()
    await settle()
    # It is asked about at once, and often, since nothing else tells when its session ends.
    assert len(server.asked) == 7
    await asyncio.sleep(10)
    assert 15 <= len(server.asked) <= 18
    assert server.ended == []
    server.existing = set()
    await asyncio.sleep(2)
    assert [usable for _, usable, _ in server.ended] == [False]


@in_virtual_time
async def test_a_connection_that_was_lost_with_its_session_frees_its_slot_at_once() -> None:
    server = Server()
    server.existing = set()
    connection = server.hold(1)
    await asyncio.sleep(0.5)
    connection.lose()
    await settle()
    assert server.ended == [(connection, False, 0.5)]
    # What is known about it says nothing about others.
    assert server.distrusted == []


@in_virtual_time
async def test_a_session_that_exists_keeps_its_slot_for_hours() -> None:
    server = Server()
    server.existing = {1, 7}
    LOG_CONTEXT.set({"request_id": "the first caller's"})
    with capture_logs() as logs:
        connection = server.hold(1)
        await asyncio.sleep(3 * 3600)
    assert server.ended == []
    assert server.asked[0] == {1: 101}
    assert len(server.asked) == 3 * 3600 / 10
    assert logs == [{"event": "database.unanswered", "connections": 1, "log_level": "warning"}]
    assert server.contexts == {()}
    connection.unanswered.set_result(None)
    await settle()
    assert [usable for _, usable, _ in server.ended] == [True]


@in_virtual_time
async def test_a_session_that_is_gone_loses_its_slot() -> None:
    """As behind a proxy that keeps the connection open after a failover. Connections that nobody uses at the moment
    lead to the same place."""
    server = Server()
    server.existing = {1}
    first, second = server.hold(1), server.hold(2)
    await asyncio.sleep(3)
    assert server.ended == [(second, False, 1)]
    assert server.distrusted == [1]
    second.lose()
    await settle()
    assert len(server.ended) == 1
    first.unanswered.set_result(None)
    await settle()
    assert len(server.ended) == 2


@in_virtual_time
async def test_a_server_that_cannot_be_asked_changes_nothing() -> None:
    """Nobody could open a connection for a slot that would be free."""
    server = Server()
    server.existing = None
    first, second = server.hold(1), server.hold(2)
    second.lose()
    await asyncio.sleep(1000)
    assert server.ended == []
    # It is asked again every second.
    server.existing = set()
    await asyncio.sleep(1)
    assert {connection for connection, _, _ in server.ended} == {first, second}


@in_virtual_time
async def test_a_server_that_does_not_understand_the_question_three_times_in_a_row_has_no_sessions() -> None:
    server = Server()
    server.existing = {1}
    connection = server.hold(1)
    await asyncio.sleep(0.5)
    for _ in range(2):
        server.fault = OSError()
        await asyncio.sleep(2)
        server.fault = None
        await asyncio.sleep(10)
    assert server.ended == []
    server.fault = OSError()
    await asyncio.sleep(15)
    assert [usable for _, usable, _ in server.ended] == [False]
    assert server.ended[0][0] is connection


@in_virtual_time
async def test_nobody_asks_when_nothing_is_held_any_more() -> None:
    server = Server()
    server.existing = {1, 2}
    server.hold(1).unanswered.set_result(None)
    await asyncio.sleep(100)
    assert server.asked == []
    # The next one is asked about as the first would have been.
    server.hold(2)
    await asyncio.sleep(5)
    assert [set(ages) for ages in server.asked] == [{2}]
    await server.unanswered.close()


@in_virtual_time
async def test_closing_waits_for_no_server() -> None:
    server = Server()
    server.existing = {1, 2}
    first, second = server.hold(1), server.hold(2)
    await asyncio.sleep(12)
    await server.unanswered.close()
    assert server.ended == [(first, False, 12), (second, False, 12)]
    await asyncio.sleep(100)
    assert len(server.asked) == 2
    # Nor does what was still running then.
    third = server.hold(3)
    assert server.ended[2:] == [(third, False, 112)]
