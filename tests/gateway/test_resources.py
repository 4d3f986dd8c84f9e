"""open_resources, for a process that serves no requests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.resources import configure, open_resources
from gateway.settings import Settings, SettingsError
from models.database import DatabaseDown


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    # The keys of dev are made in the current directory.
    monkeypatch.chdir(tmp_path)
    return Settings(auth="dev", database_url=f"sqlite://{tmp_path}/tendon.db", redirect_uris="https://app.example/cb")


async def test_background_tasks_end_before_the_database_closes(settings: Settings) -> None:
    ended = asyncio.Event()
    async with open_resources(configure(settings, {})) as resources:

        async def work() -> None:
            await asyncio.sleep(0.05)
            await resources.database.ping()
            ended.set()

        resources.background.start(work())
    assert ended.is_set()


def test_configuring_reads_everything_and_opens_nothing(settings: Settings, tmp_path: Path) -> None:
    configuration = configure(settings, {"OURA_CLIENT_ID": "x", "OURA_CLIENT_SECRET": "y"})
    assert set(configuration.registrations) == {"oura"}
    assert configuration.redirects.allows("https://app.example/cb")
    assert not (tmp_path / "tendon.db").exists()


def test_the_sandbox_is_in_the_catalogue_only_with_credentials(settings: Settings) -> None:
    known = {
        "SANDBOX_ORIGIN": "http://127.0.0.1:9000",
        "SANDBOX_CLIENT_ID": "tendon",
        "SANDBOX_CLIENT_SECRET": "x",
    }
    assert "sandbox" not in configure(settings, {}).catalogue
    assert "sandbox" in configure(settings, known).catalogue


def test_other_redirect_uris(settings: Settings) -> None:
    configuration = configure(settings, {}, ["https://other.example/cb"])
    assert not configuration.redirects.allows("https://app.example/cb")
    assert configuration.redirects.allows("https://other.example/cb")


def test_credentials_that_cannot_be_used(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="OURA_CLIENT_SECRET"):
        configure(settings, {"OURA_CLIENT_ID": "x"})


async def test_a_database_that_cannot_be_opened(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "tendon.db").write_text("not a database", encoding="utf-8")
    with pytest.raises(DatabaseDown):
        async with open_resources(configure(settings, {})):
            pass
