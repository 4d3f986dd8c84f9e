"""Checks whether a contender did the work: compares its rows and the provider's calls with its responses."""

from __future__ import annotations

from benchmarks import workload
from benchmarks.testbed import Runner, WrongAnswer
from models.connection import token_field
from models.vault import SealedField, Vault, VaultError

_SAMPLE_SIZE = 200

_COUNTS = {
    "requests that are completed": "SELECT COUNT(*) FROM authorization_request WHERE status = 'completed'",
    "audit rows of callbacks": "SELECT COUNT(*) FROM audit_event WHERE action = 'complete' AND outcome = 'ok'",
    "requests with their connection": (
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
    _decrypt_some(runner)


def _versions(runner: Runner) -> int:
    """Each callback creates the first version of a connection, or its next one."""
    total = runner.database.rows(f"SELECT SUM(version) FROM connection WHERE provider = '{workload.SLUG}'")
    return int(total[0][0] or 0)


def _compare(runner: Runner, expected: dict[str, int], found: dict[str, int]) -> None:
    if found != expected:
        raise WrongAnswer(f"{runner.contender.name} on {runner.testbed.engine.name}: {found}, expected {expected}")


def _decrypt_some(runner: Runner) -> None:
    """The tokens must belong to a code of the same user, and be encrypted for their row."""
    columns = "user_id, version, access_token, refresh_token"
    query = f"SELECT {columns} FROM connection WHERE provider = '{workload.SLUG}' LIMIT {_SAMPLE_SIZE}"
    for user, version, access, refresh in runner.database.rows(query):
        vault = runner.testbed.provider.vault
        first = _decrypted(vault, token_field(user, workload.SLUG, version, "access_token"), access)
        number = int(first.split("-")[1])
        second = _decrypted(vault, token_field(user, workload.SLUG, version, "refresh_token"), refresh)
        if workload.user(number) != user or second != workload.refresh_token(number):
            raise WrongAnswer(f"{runner.contender.name}: the tokens belong to another user")


def _decrypted(vault: Vault, field: SealedField, sealed: bytes) -> str:
    try:
        return vault.open(bytes(sealed), **field)
    except VaultError as fault:
        raise WrongAnswer(f"a token can't be decrypted: {fault}") from None
