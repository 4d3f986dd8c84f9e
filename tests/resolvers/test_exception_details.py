"""What the log shows of an exception: types and places, and never its text."""

from __future__ import annotations

import json

from models.database import DatabaseDown
from resolvers.exception_details import database_outage, exception_details


def caught(cause: BaseException, *, explicit: bool) -> BaseException:
    """An exception that was raised in answer to `cause`."""
    try:
        try:
            raise cause
        except type(cause):
            if explicit:
                raise KeyError("CANARY") from cause
            raise KeyError("CANARY")  # noqa: B904 - the implicit context is meant
    except KeyError as fault:
        return fault


def raised_at(levels: int) -> BaseException:
    """An exception that came from so far below."""
    try:
        _raise(levels - 1)
    except ValueError as fault:
        return fault
    raise AssertionError


def _raise(levels: int) -> None:
    if levels:
        _raise(levels - 1)
    raise ValueError("CANARY")


def test_causes_are_named_from_the_last_to_the_first() -> None:
    for explicit in (True, False):
        details = exception_details(caught(ValueError("CANARY"), explicit=explicit))
        assert details["error"] == "KeyError from ValueError"
        assert len(details["frames"]) == 1
        assert details["frames"][0].startswith(f"{__file__}:")
        assert details["frames"][0].endswith(" caught")
        assert "CANARY" not in json.dumps(details)


def test_the_stated_cause_counts_more_than_what_was_in_progress() -> None:
    fault = caught(ValueError(), explicit=False)
    fault.__cause__ = TypeError()
    assert exception_details(fault)["error"] == "KeyError from TypeError"


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert exception_details(ZeroDivisionError()) == {"error": "ZeroDivisionError", "frames": []}


def test_the_last_twelve_places_are_shown() -> None:
    for levels, shown in ((5, 6), (50, 12)):
        frames = exception_details(raised_at(levels))["frames"]
        assert len(frames) == shown
        assert [frame.rpartition(" ")[2] for frame in frames[1:]] == ["_raise"] * (shown - 1)


def test_five_causes_are_named_at_most() -> None:
    fault: BaseException = ValueError()
    for _ in range(9):
        fault = caught(fault, explicit=True)
    assert exception_details(fault)["error"] == " from ".join(["KeyError"] * 5)


def test_a_type_within_another_has_its_whole_name() -> None:
    class Inner(Exception):
        pass

    assert exception_details(Inner())["error"].endswith("<locals>.Inner")


def test_an_outage_of_the_database_is_told_from_other_faults() -> None:
    assert database_outage(DatabaseDown("SQLITE_BUSY")) == "SQLITE_BUSY"
    assert database_outage(ValueError("SQLITE_BUSY")) is None
