"""The command `tendon`: serve, worker, migrate, providers, status, keys, forget, audit, sandbox.

This module reads the command line. What a command does is in the module of its name in `commands/`, which is imported
only when that command runs, so that none waits for what another one imports.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from gateway.output import print_result

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

# The exit status after Ctrl-C: 128 + SIGINT.
_INTERRUPTED: Final = 130
# The exit status for a command line, or for settings, that can't be used.
_UNUSABLE: Final = 2


def main() -> None:
    """Run the command. Exits with status 2 when it can't start."""
    parser = _parser()
    options = vars(parser.parse_args())
    command = options.pop("command")
    if options.pop("version"):
        print_result(f"tendon {_version()}")
        return
    if command is None:
        parser.print_help()
        sys.exit(_UNUSABLE)
    if command.startswith("providers_") and options.pop("as_json", False):
        parser.error("--json is for the list of providers")
    if command in ("serve", "sandbox", "worker"):
        _exit_on_signals(several=options.get("workers", 1) > 1)
    # Imports make no garbage, and looking for it takes an eighth of the start. Commands that serve enable it again.
    gc.disable()
    try:
        _run(command, options)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _run(command: str, options: dict[str, Any]) -> None:
    module = import_module(f"gateway.commands.{command}")
    # Imported here because it takes long, and `tendon --help` doesn't need it.
    from gateway.settings import SettingsError  # noqa: PLC0415

    try:
        module.run(**options)
    except SettingsError as fault:
        print(f"tendon can't start:\n{fault}", file=sys.stderr)  # noqa: T201 - for the terminal
        sys.exit(_UNUSABLE)


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - takes as long as all other imports here

    return version("tendon")


class _Parser(argparse.ArgumentParser):
    """Prints help with `print_result`. argparse makes subparsers from this class too."""

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        if file is None:
            print_result(self.format_help().rstrip())
        else:
            super().print_help(file)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="tendon", description="Connects people to their health-data providers.", allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="Print the version and exit.")
    commands = parser.add_subparsers(dest="command", metavar="command")

    def add(name: str, does: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=does, description=does, allow_abbrev=False)

    serve = add("serve", "Serve REST, GraphQL and the pages.")
    _add_address(serve, port=8000)
    _add_number(serve, "--workers", 1, most=256, means="How many processes share the address.")
    worker = add("worker", "Run what is due beside requests, until a signal to stop.")
    worker.add_argument(
        "--until-eof",
        action="store_true",
        help="Also stop when standard input ends, such as with the process behind it.",
    )
    add("migrate", "Bring the database to the newest schema.")
    _add_providers(
        add(
            "providers", "Print the catalogue: which providers are available here, why not, and which vendors can't be."
        )
    )
    status = add("status", "Print what state the database, the keys and the providers are in, and what to do about it.")
    status.add_argument("--json", action="store_true", dest="as_json", help="Print JSON.")
    _add_audit(add("audit", "Export the audit trail, or check what was exported."))
    _add_keys(add("keys", "List the vault keys, encrypt everything under the active key, or drop a key."))
    forget = add("forget", "Forget a user: end and revoke all connections, and remove what is stored of the user.")
    forget.add_argument("user", metavar="USER", help="The user's id, as in the `sub` of the bearer tokens.")
    forget.add_argument("--json", action="store_true", dest="as_json", help="Print JSON.")
    sandbox = add(
        "sandbox", "Run the sandbox alone: a provider that speaks the dialect of every entry in the catalogue."
    )
    _add_address(sandbox, port=9000)
    sandbox.add_argument(
        "--redirect-uri",
        action="append",
        metavar="URI",
        help="A redirect URI to accept, beside TENDON_REDIRECT_URIS; may be repeated.",
    )
    sandbox.add_argument(
        "--write-catalogue",
        type=Path,
        metavar="PATH",
        help="Write the catalogue there, every entry pointed at this sandbox.",
    )
    sandbox.add_argument(
        "--set",
        action="append",
        metavar="[SLUG.]NAME=VALUE",
        dest="behaviour",
        help="How the providers, or only one, behave, such as access_life=30; may be repeated. See docs/sandbox.md.",
    )
    return parser


def _add_providers(parser: argparse.ArgumentParser) -> None:
    # Only the list has it: the other commands don't even get a False.
    parser.add_argument("--json", action="store_true", dest="as_json", default=argparse.SUPPRESS, help="Print JSON.")
    tasks = parser.add_subparsers(metavar="[command]")

    def add(name: str, does: str) -> argparse.ArgumentParser:
        task = tasks.add_parser(name, help=does, description=does, allow_abbrev=False)
        task.set_defaults(command=f"providers_{name}")
        return task

    _add_try(add("try", "Walk through a flow with an entry: at the provider with your credentials, or at the sandbox."))
    redact = add("redact", "Print a JSON answer with made-up values, to share it or to add it to the tests.")
    redact.add_argument("file", type=Path, metavar="FILE", help="The file; `-` is standard input.")
    add("schema", "Print the JSON Schema of catalogue files, for editors.")
    check = add("check", "Check catalogue files, without adding them to the catalogue.")
    check.add_argument("files", type=Path, nargs="+", metavar="FILE", help="A file, which is named <slug>.toml.")


def _add_try(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slug", nargs="?", metavar="SLUG", help="An entry of the catalogue.")
    parser.add_argument("--file", type=Path, metavar="FILE", help="A file named <slug>.toml, instead of SLUG.")
    parser.add_argument("--sandbox", action="store_true", help="Use the sandbox, even if there are credentials.")
    parser.add_argument("--site", metavar="ID", help="The site, if the entry has several. Default: the first.")
    parser.add_argument(
        "--port", type=_up_to(65535), metavar="NUMBER", help="The port for the redirect. Default: 8765."
    )
    parser.add_argument(
        "--redirect-uri",
        metavar="URI",
        help="The redirect URI, as registered. Default: on this machine.",
    )
    parser.add_argument("--no-browser", action="store_true", help="Print the address, and open no browser.")
    parser.add_argument("--refresh", action="store_true", help="Refresh without asking first.")
    parser.add_argument("--revoke", action="store_true", help="Revoke the tokens at the end.")
    parser.add_argument(
        "--record", type=Path, metavar="PATH", help="Write the answers there as samples, with made-up values."
    )


def _add_audit(audit: argparse.ArgumentParser) -> None:
    tasks = audit.add_subparsers(dest="task", metavar="task", required=True)
    does = "Write the events that no export has yet, as JSON lines that form a chain."
    export = tasks.add_parser("export", help=does, description=does, allow_abbrev=False)
    export.add_argument("--out", type=Path, metavar="FILE", help="The file to write. Default: standard output.")
    export.add_argument(
        "--after", type=int, metavar="LINE", help="Write again what was exported after the export that this line ends."
    )
    does = "Check that no line of an export was changed, removed, added or moved."
    verify = tasks.add_parser("verify", help=does, description=does, allow_abbrev=False)
    verify.add_argument("files", nargs="+", metavar="FILE", help="The files in their order; `-` is standard input.")


def _add_keys(keys: argparse.ArgumentParser) -> None:
    actions = keys.add_subparsers(dest="action", metavar="action", required=True)

    def add(name: str, does: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=does, description=does, allow_abbrev=False)

    listing = add("list", "Print the ids of all keys, and how many values are encrypted under each.")
    listing.add_argument("--json", action="store_true", dest="as_json", help="Print JSON.")
    add("reseal", "Encrypt under the active key whatever is encrypted under others.")
    drop = add("drop", "Remove the record of a key under which nothing is encrypted any more.")
    drop.add_argument("key_id", metavar="ID", help="The id of the key.")


def _add_address(parser: argparse.ArgumentParser, *, port: int) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="HOST", help="The address to listen on. Default: %(default)s."
    )
    _add_number(parser, "--port", port, most=65535, means="The port to listen on.")


def _add_number(parser: argparse.ArgumentParser, option: str, default: int, *, most: int, means: str) -> None:
    help_text = f"{means} From 1 to {most}, default: %(default)s."
    parser.add_argument(option, type=_up_to(most), default=default, metavar="NUMBER", help=help_text)


def _up_to(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {most}")
        return int(text)

    return read


def _exit_on_signals(*, several: bool) -> None:
    """Exit with status 0 when SIGINT or SIGTERM arrives before the server is up, since an intended stop is no failure.
    Without a handler, the kernel would not deliver SIGTERM to the first process of a container. SIGHUP does the same,
    but to a parent of `several` workers it means a restart of the workers, and there are none yet."""

    def exit_now(*_: object) -> NoReturn:
        os._exit(0)

    def go_on(*_: object) -> None:
        pass

    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, exit_now)
    # It stays ignored where it was, as after nohup.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, go_on if several else exit_now)
