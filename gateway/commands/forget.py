"""`tendon forget USER`: forgets a user, and prints what was removed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any, Final, NoReturn
from uuid import uuid4

from msgspec.structs import asdict

from gateway import dev_sandbox, logs
from gateway.address import origin_of
from gateway.database_check import check_database, unusable
from gateway.output import print_result
from gateway.resources import Configuration, configure, open_resources
from gateway.settings import SettingsError, read_environment, read_settings
from models.database import DatabaseDown
from models.revocation import TRIED, TRIED_UNSENT, RevocationStatus
from models.vault import VaultError
from resolvers import inputs
from resolvers.context import Context
from resolvers.erasure import Receipt, erase
from resolvers.errors import Problem, ValidationError

_FAILED: Final = 1
# Nothing is served, so the value doesn't matter.
_ORIGIN: Final = origin_of("127.0.0.1", 8000)
_AGAIN: Final = "Run the command again, which is safe"
_COPIES: Final = (
    "earlier copies may be left in the SQLite file or its write-ahead log, because another process was using it: run"
    " the command again"
)


def run(*, user: str, as_json: bool = False) -> None:
    """Exits with status 1 if the user is not forgotten, or copies may be left in an SQLite file."""
    settings = read_settings()
    # The receipt says what was done.
    logs.set_up("WARNING")
    try:
        inputs.text("USER", user, inputs.USER)
    except ValidationError as problem:
        raise SettingsError(problem.message) from None
    configuration = configure(settings, dev_sandbox.with_registration(settings, _ORIGIN, read_environment()))
    try:
        receipt = asyncio.run(_forget(configuration, user))
    except DatabaseDown as fault:
        _fail(f"{unusable(fault.reason, settings.database_url)}. {_AGAIN}")
    except VaultError as fault:
        _fail(str(fault))
    except Problem as problem:
        _fail(f"the user was not forgotten ({problem.code}). {_AGAIN}")
    print_result(json.dumps(_document(receipt), indent=2) if as_json else "\n".join(_lines(receipt)))
    if receipt.file_purged is False:
        sys.exit(_FAILED)


def _fail(problem: str) -> NoReturn:
    print(problem, file=sys.stderr)  # noqa: T201 - for the terminal
    sys.exit(_FAILED)


async def _forget(configuration: Configuration, user: str) -> Receipt:
    settings = configuration.settings
    await check_database(settings.database_url, settings.database_limits)
    async with open_resources(configuration) as resources:
        await resources.vault_keys.check_active()
        return await erase(Context(resources, None, uuid4().hex), user, rebuild=True)


def _document(receipt: Receipt) -> dict[str, Any]:
    return {
        "ok": receipt.file_purged is not False,
        "pseudonym": receipt.pseudonym,
        "removed": asdict(receipt.removed),
        "grants": [asdict(grant) for grant in receipt.grants],
        "pending_revocations": receipt.pending,
        "file_purged": receipt.file_purged,
    }


def _lines(receipt: Receipt) -> Iterator[str]:
    if receipt.removed.any:
        yield "forgotten. These rows were removed:"
        for name, count in asdict(receipt.removed).items():
            yield f"  {name.replace('_', ' ')}: {count:,}"
    else:
        yield "nothing was removed, because nothing is stored of this user. If that is unexpected, check the id"
    for grant in receipt.grants:
        yield f"{grant.provider}: {_told(grant.status)}"
    if receipt.pending:
        yield (
            f"revocations to be delivered: {receipt.pending:,}. Until then, for {TRIED.days} days at most, or"
            f" {TRIED_UNSENT.days} if nothing can be sent, each has the user's id, the provider's id of the user and"
            " the tokens, encrypted"
        )
    if receipt.removed.any:
        yield f"the audit trail keeps the pseudonym {receipt.pseudonym}, which leads to nobody any more"
    else:
        yield f"if the audit trail has events of this user, they have the pseudonym {receipt.pseudonym}"
    if receipt.file_purged is False:
        yield _COPIES


def _told(status: RevocationStatus) -> str:
    match status:
        case RevocationStatus.PENDING:
            return "will be told to revoke the tokens, by a worker"
        case RevocationStatus.UNSUPPORTED:
            return "can't be told: the user can end the access in the provider's own settings"
        case _:
            return (
                "can't be told, because the tokens could not be decrypted: the user can end the access in the"
                " provider's own settings"
            )
