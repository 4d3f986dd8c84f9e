from __future__ import annotations

from benchmarks.instructions import of_one


def test_what_a_process_does_without_requests_is_no_part_of_a_request() -> None:
    counted = {("libc.so", "read"): 1300, ("libc.so", "write"): 500, ("libc.so", "poll"): 90}
    each_second = {("libc.so", "read"): 100.0, ("libc.so", "poll"): 100.0, ("libc.so", "never"): 7.0}
    assert of_one(counted, 10, each_second, 3) == {
        ("libc.so", "read"): 100,
        ("libc.so", "write"): 50,
        ("libc.so", "poll"): 0,
    }
