"""The limit on open files: what is raised at the start, and how many connections it allows."""

from __future__ import annotations

import resource
from collections.abc import Generator

import pytest

from gateway.overload.file_limit import connection_limit, raise_file_limit

HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
WANTED = 10_240 if HARD == resource.RLIM_INFINITY else min(HARD, 10_240)


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    connection_limit.cache_clear()
    yield
    monkeypatch.undo()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    connection_limit.cache_clear()


def soft() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def set_soft(files: int) -> None:
    if HARD != resource.RLIM_INFINITY and files > HARD:
        pytest.skip("this system does not allow so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, HARD))


@pytest.mark.parametrize("files", [400, WANTED - 1])
def test_a_low_limit_is_raised(files: int) -> None:
    set_soft(files)
    raise_file_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (WANTED, HARD)


@pytest.mark.parametrize("files", [10_240, 10_241, 15_000])
def test_a_higher_limit_is_kept(files: int) -> None:
    set_soft(files)
    raise_file_limit()
    assert soft() == files


# 200 files are for other things, and 100 for connections that get 503; at least half are for connections.
@pytest.mark.parametrize(
    ("files", "allowed"), [(10_240, 9940), (2000, 1700), (601, 301), (600, 300), (599, 299), (400, 200)]
)
def test_the_connections_that_a_limit_allows(files: int, allowed: int) -> None:
    set_soft(files)
    assert connection_limit() == allowed


def test_the_limit_is_read_once() -> None:
    set_soft(2000)
    assert connection_limit() == 1700
    set_soft(1000)
    assert connection_limit() == 1700


def test_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, which calls the limit infinite and still grants only so many."""
    wanted: list[tuple[int, tuple[int, int]]] = []
    limits = (256, resource.RLIM_INFINITY)

    def get(_resource: int) -> tuple[int, int]:
        return limits

    def put(which: int, given: tuple[int, int]) -> None:
        wanted.append((which, given))

    monkeypatch.setattr(resource, "getrlimit", get)
    monkeypatch.setattr(resource, "setrlimit", put)
    raise_file_limit()
    assert wanted == [(resource.RLIMIT_NOFILE, (10_240, resource.RLIM_INFINITY))]
    limits = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    raise_file_limit()
    assert len(wanted) == 1
    assert connection_limit() == 1_000_000


@pytest.mark.parametrize("refusal", [ValueError, OSError])
def test_a_limit_that_can_not_be_raised_is_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch, refusal: type[Exception]
) -> None:
    def get(_resource: int) -> tuple[int, int]:
        return 400, 2000

    def refuse(*_: object) -> None:
        raise refusal

    monkeypatch.setattr(resource, "getrlimit", get)
    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_file_limit()
    assert connection_limit() == 200
