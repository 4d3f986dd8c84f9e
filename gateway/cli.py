"""The command `tendon`: serve, migrate, sandbox, providers."""

from __future__ import annotations

import asyncio
import ipaddress
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


@main.command()
def serve(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Serve REST, GraphQL and the pages."""
    # Imported here, as below: the other commands then start fast.
    from gateway.app import create_app  # noqa: PLC0415
    from gateway.check import check_database  # noqa: PLC0415
    from gateway.server import run  # noqa: PLC0415

    try:
        settings = read_settings()
        _check_host(settings, host)
        logs.set_up(settings.log_level, dev=settings.dev)
        origin = _origin(host, port)
        app = create_app(settings, read_environment(), origin)
        asyncio.run(check_database(settings.database_url))
    except SettingsError as fault:
        _refuse(fault)
    run(app, host, port, greeting=greeting(origin) if settings.dev else None)


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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse(fault: SettingsError) -> NoReturn:
    typer.echo(f"tendon can't start:\n{fault}", err=True)
    sys.exit(2)
