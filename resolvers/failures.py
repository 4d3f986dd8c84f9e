"""Which unexpected exceptions are the database being away, so that callers are told to come back."""

from __future__ import annotations

from models.database import DATABASE_DOWN


def is_database_down(cause: BaseException) -> bool:
    """By exact type: the ORM's subclasses of these are faults of ours, such as a broken constraint."""
    return type(cause) in DATABASE_DOWN
