"""The digest is the same wherever it is computed."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from models.database import Database
from models.engine import digest
from models.statement import Statement
from tests.models.flows import add
from tests.models.rows import run

COLUMNS = "state_hash, provider, redirect_uri, code_hash"


def test_a_digest_is_half_of_a_sha_256() -> None:
    # FIPS 180-2, appendix B.1.
    assert digest("abc") == bytes.fromhex("ba7816bf8f01cfea414140de5dae2223")


def test_texts_are_lines_and_none_is_left_out() -> None:
    assert digest("a", None, "b") == digest("a", "b") == hashlib.sha256(b"a\nb").digest()[:16]
    assert digest("a", "", "b") != digest("a", "b")


@pytest.mark.parametrize("values", [("s", "oura", "https://app.example/cb", "c"), ("s", "ö", "", None)])
async def test_both_engines_compute_it(database: Database, values: tuple[Any, ...]) -> None:
    await add(database)
    changes = ", ".join(f"{name} = :{name}" for name in COLUMNS.split(", "))
    await run(
        database, f"UPDATE authorization_request SET {changes}", **dict(zip(COLUMNS.split(", "), values, strict=True))
    )
    computed = await Statement(f"SELECT digest({COLUMNS}) FROM authorization_request").rows(database)
    assert bytes(computed[0][0]) == digest(*values)
