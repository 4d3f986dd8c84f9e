"""The tables of what is logged, recorded and shown, compared with the code."""

from __future__ import annotations

import ast
import re
from functools import cache

from models.connection import ConnectionStatus, StatusReason
from models.revocation import RevocationStatus
from resolvers import audit
from resolvers.errors import PROBLEMS
from tendon_cli import PACKAGES
from tests.house.test_house import ROOT

LIFECYCLE = (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
LEVELS = {"debug", "info", "warning", "error", "exception"}
# Packages that run in Tendon's own processes. What the sandbox logs is for its user to see.
LOGGING = [package for package in PACKAGES if package != "sandbox"]


@cache
def modules() -> list[ast.Module]:
    paths = [path for package in LOGGING for path in (ROOT / package).rglob("*.py")]
    return [ast.parse(path.read_text(encoding="utf-8")) for path in paths]


def logs(node: ast.AST) -> bool:
    """Whether it is a call of one of the log's methods, or of one of two of them."""
    functions = [node.func] if isinstance(node, ast.Call) else []
    if functions and isinstance(functions[0], ast.IfExp):
        functions = [functions[0].body, functions[0].orelse]
    return any(
        isinstance(function, ast.Attribute)
        and function.attr in LEVELS
        and isinstance(function.value, ast.Name)
        and function.value.id == "log"
        for function in functions
    )


def texts(node: ast.AST) -> set[str]:
    constants = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return {text for text in constants if isinstance(text, str)}


@cache
def events() -> set[str]:
    """Those whose names stand where they are logged, which is nearly all."""
    calls = [node for module in modules() for node in ast.walk(module) if isinstance(node, ast.Call) and logs(node)]
    return {text for call in calls if call.args for text in texts(call.args[0])}


def rows(section: str) -> list[list[str]]:
    """The cells of the tables, with their heads."""
    lines = re.findall(r"^\|(?!---)(.*)\|$", section, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def named(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def section(text: str, heading: str) -> str:
    return text.partition(f"\n{heading}\n")[2].partition("\n## ")[0]


def test_every_log_event_is_in_a_table() -> None:
    told = {name for row in rows(section(OPERATING, "## Failures")) for name in named(row[0])}
    debug = named(OPERATING.partition("At the level `DEBUG`, ")[2].partition("\n")[0])
    assert len(events()) > 90
    assert events() - told - debug - {"revocation."} == set()


def test_no_event_of_the_tables_is_made_up() -> None:
    known = {text for module in modules() for text in texts(module)} | {
        f"revocation.{status}" for status in RevocationStatus
    }
    sections = [section(OPERATING, "## Failures"), section(OPERATING, "## Alarms"), section(LIFECYCLE, "## States")]
    documents = [row for text in sections for row in rows(text)]
    told = {
        name for row in documents for cell in row for name in named(cell) if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", name)
    }
    fields = {"scopes.missing"}
    assert told - known - fields == set()


def test_every_status_and_reason_of_a_connection_is_described() -> None:
    described = [row for row in rows(section(LIFECYCLE, "## States")) if row[0].strip("`") in set(ConnectionStatus)]
    states = [row for row in described if len(row) == 4]
    assert {name for row in states for name in named(row[0])} == set(ConnectionStatus)
    assert {name for row in states for name in named(row[1])} == set(StatusReason)
    for row in states:
        for reason in named(row[1]):
            # The docstrings of the enumeration begin with the status.
            assert row[0].strip("`") in describing(reason)


@cache
def describing(reason: str) -> str:
    source = (ROOT / "models" / "connection.py").read_text(encoding="utf-8")
    found = re.search(rf'= "{reason}"\n    """(.*?)"""', source)
    assert found, reason
    return found[1]


def test_every_status_of_a_revocation_is_described() -> None:
    told = [row[0].strip("`") for row in rows(OPERATING.partition("### Revocations\n")[2].partition("\n## ")[0])]
    assert [name for name in told if name != "status"] == list(RevocationStatus)
    assert set(RevocationStatus) <= named(section(LIFECYCLE, "## The end"))


def test_every_action_of_the_audit_trail_is_described() -> None:
    outcomes = {audit.OK, audit.REPLAYED}
    actions = {value for name, value in vars(audit).items() if name.isupper() and isinstance(value, str)} - outcomes
    table = OPERATING.partition("| action | what is recorded |\n")[2].partition("\n\n")[0]
    told = {name for row in rows(table) for name in named(row[0])} - outcomes
    # Two are recorded by a statement, with a callback.
    assert told == actions | {"account_changed", "account_shared"}


def test_callers_see_the_messages_that_are_quoted() -> None:
    quoted = rows(section(LIFECYCLE, "## What callers see"))[1:]
    known = {text for module in modules() for text in texts(module)}
    answers = {(code.strip("`"), message) for _, code, message, _ in quoted}
    assert len(answers) > 8
    assert {code for code, _ in answers} <= set(PROBLEMS)
    assert {message for _, message in answers} <= known


def test_messages_in_sentences_are_those_of_the_code() -> None:
    quoted = re.findall(r'"([A-Z][^"]+\.)"', LIFECYCLE)
    known = {text for module in modules() for text in texts(module)}
    assert len(quoted) > 2
    assert [message for message in quoted if not any(text.startswith(message) for text in known)] == []


def test_the_time_for_which_each_table_is_kept_is_told() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "models" / "tables").glob("*.py")]
    tables = {name for source in sources for name in re.findall(r'^        table = "(\w+)"', source, re.MULTILINE)}
    told = {name for row in rows(section(OPERATING, "## What is kept, and for how long")) for name in named(row[1])}
    assert "connection" in tables
    assert tables - told == set()
