"""Checks whether a contender did the work: compares its rows and the provider's calls with its responses."""

from __future__ import annotations

from benchmarks import workload
from benchmarks.testbed import Runner, WrongAnswer
from models.connection import token_field
from models.vault import SealedField, Vault, VaultError

_SAMPLE_SIZE = 200

_COUNTS = {
    "requests that are completed": "SELECT COUNT(*) FROM authorization_request WHERE status = 'completed'",
    "audit rows of callbacks": (
        "SELECT COUNT(*) FROM audit_event AS a JOIN connection AS c ON c.id = a.connection_id "
        "WHERE a.action = 'complete' AND a.outcome = 'ok' AND a.client_id = 'dev' AND a.actor = a.subject"
    ),
    "requests with their connection": (
        "SELECT COUNT(*) FROM authorization_request AS r JOIN connection AS c ON c.id = r.connection_id "
        "AND c.user_id = r.user_id WHERE r.status = 'completed' AND r.verifier IS NULL"
    ),
}

_BEGUN = {
    "audit rows": "SELECT COUNT(*) FROM audit_event WHERE action = 'authorize' AND outcome = 'ok'",
    "requests": "SELECT COUNT(*) FROM authorization_request WHERE expires_at < '2090-01-01'",
}


def verify(runner: Runner) -> None:
    """Raises WrongAnswer."""
    rows = {what: _count(runner, statement) for what, statement in _COUNTS.items()}
    found = rows | {"codes exchanged": runner.exchanged, "versions of connections": _versions(runner)}
    _compare(runner, dict.fromkeys(found, runner.completed), found)
    begun = {what: _count(runner, statement) for what, statement in _BEGUN.items()}
    # An authorize may have taken effect although its response said to send it again.
    most = runner.authorized + runner.undecided
    _compare(runner, dict.fromkeys(begun, min(max(begun["audit rows"], runner.authorized), most)), begun)
    _decrypt_some(runner)


def _count(runner: Runner, statement: str) -> int:
    return int(runner.database.rows(statement)[0][0])


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
