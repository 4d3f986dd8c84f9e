"""The limit on open files: what is raised at the start, and how many connections it allows."""

from __future__ import annotations

import resource
from collections.abc import Generator

import pytest

from gateway.overload.file_limit import connection_limit, raise_file_limit

HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
WANTED = 10_240 if HARD == resource.RLIM_INFINITY else min(HARD, 10_240)


@pytest.fixture(autouse=True)
def restored() -> Generator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    connection_limit.cache_clear()
    yield
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
