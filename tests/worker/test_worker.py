"""A worker as a process: it runs what is due, once, whatever happens to workers."""

from __future__ import annotations

import pytest

from tests.waiting import until
from tests.worker.conftest import StartWorker, Work
from tests.worker.program import journal

IDS = [f"w{number}" for number in range(25)]


async def test_everything_due_is_run_once(work: Work, start_worker: StartWorker) -> None:
    await work.add(*IDS)
    worker = start_worker(work.database.url)
    await work.is_done()
    assert sorted(work.ids("began")) == sorted(IDS)
    await work.add("later")
    await work.is_done()
    assert worker.stop() == 0


async def test_work_of_a_killed_worker_is_run_again_when_its_lease_ends(work: Work, start_worker: StartWorker) -> None:
    await work.add("w")
    killed = start_worker(work.database.url, seconds=600, lease=2)
    await work.seen("began")
    killed.kill()
    start_worker(work.database.url)
    await work.is_done()
    assert work.ids("began") == ["w", "w"]
    assert killed.pid not in work.workers("ended")


async def test_work_that_failed_is_run_again_after_a_while(work: Work, start_worker: StartWorker) -> None:
    await work.add("w")
    worker = start_worker(work.database.url, failures=2, again=1)
    await work.is_done()
    assert work.ids("failed") == ["w", "w"]
    assert "RuntimeError" in worker.said
    assert "CANARY" not in worker.said


async def test_a_worker_that_is_told_to_stop_finishes_what_it_runs(work: Work, start_worker: StartWorker) -> None:
    await work.add("w")
    worker = start_worker(work.database.url, seconds=2)
    await work.seen("began")
    await work.add("after")
    assert worker.stop() == 0
    assert "w" in work.ids("ended")
    assert await work.undone() == 2 - len(work.ids("ended"))


async def test_work_that_outlasts_the_grace_is_cancelled_and_due_at_once(work: Work, start_worker: StartWorker) -> None:
    await work.add("w")
    worker = start_worker(work.database.url, seconds=600, lease=600, grace=4)
    await work.seen("began")
    assert worker.stop() == 1
    assert work.ids("cancelled") == ["w"]
    start_worker(work.database.url)
    await work.is_done()


async def test_a_slow_provider_holds_up_no_other(work: Work, start_worker: StartWorker) -> None:
    await work.add(*IDS, provider="slow")
    await work.add("quick", provider="quick")
    start_worker(work.database.url, seconds=600, slow=["slow"], slots=3)
    await until(lambda: work.ids("ended") == ["quick"], "the other provider's work")
    await work.seen("began", 4)
    assert len(work.ids("began")) == 3 + 1


@pytest.mark.parametrize("own_database", ["postgres"], indirect=True)
async def test_two_workers_share_the_work(work: Work, start_worker: StartWorker) -> None:
    workers = [start_worker(work.database.url, seconds=0.3, slots=2) for _ in range(2)]
    for worker in workers:
        await worker.logs("work.ready")
    await work.add(*IDS)
    await work.is_done()
    assert work.workers("ended") == {worker.pid for worker in workers}
    assert sorted(work.ids("began")) == sorted(IDS)


@pytest.mark.parametrize("own_database", ["sqlite"], indirect=True)
async def test_a_second_worker_on_sqlite_waits_and_takes_over(work: Work, start_worker: StartWorker) -> None:
    first = start_worker(work.database.url)
    await first.logs("work.ready")
    second = start_worker(work.database.url)
    await second.logs("work.waiting")
    await work.add("one")
    await work.is_done()
    first.kill()
    await work.add("two")
    await work.is_done()
    assert [first.pid, second.pid] == [pid for what, _, pid in journal(work.file) if what == "ended"]
    waiting = start_worker(work.database.url)
    await waiting.logs("work.waiting")
    assert waiting.stop() == 0
