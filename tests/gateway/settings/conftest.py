"""Each test reads settings of its own, in a scratch folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import read_environment
from tests.gateway.settings.reader import Read
from tests.processes import environment


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of a developer, no `.env`, and whatever is made is made in a scratch folder."""
    monkeypatch.chdir(tmp_path)
    for name in read_environment().keys() - environment().keys():
        monkeypatch.delenv(name)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    return Read(monkeypatch)
