"""Whether a contender did the work: its rows and the provider's calls, held against what it answered."""

from __future__ import annotations

from benchmarks import workload
from benchmarks.stage import Runner, WrongAnswer
from models.connection import seal_row
from models.vault import Vault, VaultError

_LOOKED_AT = 200

_COUNTS = {
    "requests that are completed": "SELECT COUNT(*) FROM authorization_request WHERE status = 'completed'",
    "audit rows of callbacks": "SELECT COUNT(*) FROM audit_event WHERE action = 'complete' AND outcome = 'ok'",
    "requests that know their connection": (
        "SELECT COUNT(*) FROM authorization_request AS r JOIN connection AS c ON c.id = r.connection_id "
        "AND c.user_id = r.user_id WHERE r.status = 'completed' AND r.verifier IS NULL"
    ),
}


def verify(runner: Runner) -> None:
    """Raises WrongAnswer."""
    rows = {what: int(runner.database.rows(statement)[0][0]) for what, statement in _COUNTS.items()}
    found = rows | {"codes exchanged": runner.exchanged, "versions of connections": _versions(runner)}
    _compare(runner, dict.fromkeys(found, runner.completed), found)
    authorized = "SELECT COUNT(*) FROM audit_event WHERE action = 'authorize' AND outcome = 'ok'"
    begun = "SELECT COUNT(*) FROM authorization_request WHERE expires_at < '2090-01-01'"
    states = {what: int(runner.database.rows(query)[0][0]) for what, query in (("audit", authorized), ("row", begun))}
    _compare(runner, dict.fromkeys(states, runner.authorized), states)
    _open_some(runner)


def _versions(runner: Runner) -> int:
    """Each callback makes a connection's first version or its next."""
    total = runner.database.rows(f"SELECT SUM(version) FROM connection WHERE provider = '{workload.SLUG}'")
    return int(total[0][0] or 0)


def _compare(runner: Runner, expected: dict[str, int], found: dict[str, int]) -> None:
    if found != expected:
        raise WrongAnswer(f"{runner.contender.name} on {runner.stage.engine.name}: {found}, expected {expected}")


def _open_some(runner: Runner) -> None:
    """The tokens must belong to a code of the same user, and be sealed for their row."""
    columns = "user_id, version, access_token, refresh_token"
    query = f"SELECT {columns} FROM connection WHERE provider = '{workload.SLUG}' LIMIT {_LOOKED_AT}"
    for user, version, access, refresh in runner.database.rows(query):
        vault = runner.stage.provider.vault
        number = int(_opened(vault, seal_row(user, workload.SLUG, version), "access_token", access).split("-")[1])
        second = _opened(vault, seal_row(user, workload.SLUG, version), "refresh_token", refresh)
        if workload.user(number) != user or second != workload.refresh_token(number):
            raise WrongAnswer(f"{runner.contender.name}: somebody else's tokens")


def _opened(vault: Vault, row: tuple[str, ...], column: str, sealed: bytes) -> str:
    try:
        return vault.open(bytes(sealed), table="connection", row=row, column=column)
    except VaultError as fault:
        raise WrongAnswer(f"a token does not open: {fault}") from None
