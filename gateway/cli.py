"""The command `tendon`: serve, migrate, sandbox, providers."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gateway import logs
from gateway.greeting import greeting, sandbox_greeting
from gateway.settings import (
    Settings,
    SettingsError,
    read_catalogue_settings,
    read_database_settings,
    read_environment,
    read_settings,
)

main = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Connects people to their health-data providers.",
)

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="How many processes share the address.")]


@main.command()
def serve(host: Host = "127.0.0.1", port: Port = 8000, workers: Workers = 1) -> None:
    """Serve REST, GraphQL and the pages."""
    _end_when_told()
    # Imported here, as below: the other commands then start fast.
    from gateway.app import create_app  # noqa: PLC0415
    from gateway.check import check_database  # noqa: PLC0415
    from gateway.server import run  # noqa: PLC0415
    from gateway.supervisor import supervise  # noqa: PLC0415

    try:
        settings = read_settings()
        _check_host(settings, host)
        _check_workers(settings, workers)
        logs.set_up(settings.log_level, dev=settings.dev)
        origin = _origin(host, port)
        app = create_app(settings, read_environment(), origin)
        asyncio.run(check_database(settings.database_url, settings.database_limits))
    except SettingsError as fault:
        _refuse(fault)
    welcome = greeting(origin) if settings.with_sandbox else None
    # Longer than an exchange, with its body (3), the writing (5) and what has to be revoked (10).
    grace = max(30, settings.provider_timeout + 20)
    if workers == 1:
        run(app, host, port, drain=app.drain, greeting=welcome, grace=grace)
    else:
        supervise(app, host, port, workers=workers, drain=app.drain, greeting=welcome, grace=grace)


@main.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from gateway.check import migrate_database  # noqa: PLC0415

    try:
        settings = read_database_settings()
        logs.set_up(settings.log_level, dev=True)
        applied = asyncio.run(migrate_database(settings.database_url))
    except SettingsError as fault:
        _refuse(fault)
    typer.echo(f"applied {', '.join(applied)}" if applied else "nothing to apply")


@main.command()
def providers() -> None:
    """Print the catalogue: what each provider wants, and whether it is configured here."""
    from gateway.listing import listing  # noqa: PLC0415

    try:
        typer.echo(listing(read_catalogue_settings(), read_environment()))
    except SettingsError as fault:
        _refuse(fault)


@main.command()
def sandbox(
    host: Host = "127.0.0.1",
    port: Port = 9000,
    redirect_uri: Annotated[list[str] | None, typer.Option(help="A redirect URI to accept; may be repeated.")] = None,
    write_catalogue: Annotated[
        Path | None, typer.Option(help="Write the catalogue there, every entry pointed at this sandbox.")
    ] = None,
) -> None:
    """Run the sandbox alone: a provider that speaks the dialect of every entry in the catalogue."""
    _end_when_told()
    from gateway.practice import standalone  # noqa: PLC0415
    from gateway.server import run  # noqa: PLC0415

    if not _is_loopback(host):
        _refuse(
            SettingsError("--host: the sandbox tells everybody everything, so it serves on a loopback address only")
        )
    origin = _origin(host, port)
    logs.set_up("INFO", dev=True)
    try:
        extra = read_catalogue_settings().catalogue
        app = standalone(extra, read_environment(), origin, redirect_uri or [], write_catalogue)
    except SettingsError as fault:
        _refuse(fault)
    run(app, host, port, greeting=sandbox_greeting(origin, write_catalogue))


def _origin(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _check_host(settings: Settings, host: str) -> None:
    if settings.dev and not _is_loopback(host):
        raise SettingsError("TENDON_AUTH: dev lets anybody in, so it serves on a loopback address only")


def _check_workers(settings: Settings, workers: int) -> None:
    if workers > 1 and settings.with_sandbox:
        raise SettingsError(
            "--workers: the sandbox lives in one process only: set TENDON_SANDBOX=0, and run `tendon sandbox` beside"
        )


def _end_when_told() -> None:
    """A stop that was asked for is no failure, also while nothing is served yet. Without a handler the first process of
    a container would not even hear of it."""

    def end(*_: object) -> NoReturn:
        os._exit(0)

    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, end)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse(fault: SettingsError) -> NoReturn:
    typer.echo(f"tendon can't start:\n{fault}", err=True)
    sys.exit(2)
