"""The faults that are planted in SQL, which is text in string literals."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from tests.mutants.source import Edit, Place, Source

_IS_SQL: Final = re.compile(r"\b(SELECT|UPDATE|INSERT INTO|DELETE FROM|WHERE|AND|ORDER BY|VALUES)\b")
_JOINT: Final = re.compile(r"\b(AND|OR)\b")
# What ends a condition, apart from a closing parenthesis.
_END: Final = re.compile(
    r"\b(AND|OR|RETURNING|ORDER BY|GROUP BY|LIMIT|FOR UPDATE|FROM|WHERE|SET|THEN|ELSE|END|AS|UNION|ON CONFLICT|DO)\b"
)
_START: Final = re.compile(r"\b(WHERE|ON|HAVING|WHEN|AND|OR)\b")
_OTHERS: Final = {
    "<=": "<",
    ">=": ">",
    "<>": "=",
    "<": "<=",
    ">": ">=",
    "IS NOT NULL": "IS NULL",
    "IS NULL": "IS NOT NULL",
    "NOT EXISTS": "EXISTS",
    "NOT IN": "IN",
    "AND": "OR",
    "OR": "AND",
    "ASC": "DESC",
    "DESC": "ASC",
}
_REPLACED: Final = (
    ("sql comparison", re.compile(r"<=|>=|<>|(?<=\s)[<>](?=\s)|\bIS (NOT )?NULL\b|\bNOT (EXISTS|IN)\b")),
    ("sql and/or", re.compile(r"\b(AND|OR)\b")),
    ("sql order", re.compile(r"\b(ASC|DESC)\b")),
)
_DROPPED: Final = (
    ("sql lock", re.compile(r"\s+FOR UPDATE( SKIP LOCKED)?")),
    ("sql lock", re.compile(r" SKIP LOCKED")),
    ("sql order", re.compile(r"\s+LIMIT :?\w+")),
)
_ORDER: Final = re.compile(r"\s+ORDER BY [\w., ]+?( DESC| ASC)?(?= LIMIT| FOR |\s*$|\s*\)|\s*[\"'])")
_FILLED_IN: Final = re.compile(r"\{[^{}]*\}")
_ASSIGNMENTS: Final = re.compile(r"\bSET\b")
_LITERAL_END: Final = re.compile(r"[\"']{3}|[\"']")


def sql(source: Source, place: Place) -> Iterator[Edit]:
    """A condition or an assignment is left out, a comparison, an order or a lock is changed."""
    node = place.node
    if not isinstance(node, ast.JoinedStr) and not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return
    # What is in braces is Python or a name; of the same length, so that all places stay.
    text = _FILLED_IN.sub(lambda found: "{" + "x" * (len(found[0].encode()) - 2) + "}", source.text(node))
    if not _IS_SQL.search(text):
        return
    start = source.span(node)[0]
    for kind, first, last, new in sorted(set(_edits(text))):
        yield Edit(kind, start + len(text[:first].encode()), start + len(text[:last].encode()), new)


def _edits(text: str) -> Iterator[tuple[str, int, int, str]]:
    yield from _conditions(text)
    yield from _assignments(text)
    for kind, pattern in _REPLACED:
        for found in pattern.finditer(text):
            yield kind, *found.span(), _OTHERS[found[0]]
    for kind, pattern in _DROPPED:
        for found in pattern.finditer(text):
            yield kind, *found.span(), ""
    for found in _ORDER.finditer(text):
        yield "sql order", *found.span(), ""
        if not found[1]:
            yield "sql order", found.end(), found.end(), " DESC"
    # Not in assignments, in which it is no comparison.
    assigned = [(found.end(), _end_of_clause(text, found.end())) for found in _ASSIGNMENTS.finditer(text)]
    for found in re.finditer(r"(?<=\s)=(?=\s)", text):
        if not any(first <= found.start() < last for first, last in assigned):
            yield "sql comparison", *found.span(), "<>"


def _conditions(text: str) -> Iterator[tuple[str, int, int, str]]:
    """Each operand of AND and OR is left out; a condition that is alone always holds."""
    for joint in _JOINT.finditer(text):
        start, end = _start_of_condition(text, joint.start()), _end_of_condition(text, joint.end())
        if end <= joint.end():
            continue
        yield "sql condition", _before_blanks(text, joint.start()), end, ""
        if not text[:start].rstrip().endswith(("AND", "OR")):
            yield "sql condition", start, joint.end() + 1, ""
    for where in re.finditer(r"\bWHERE\b", text):
        end = _end_of_condition(text, where.end())
        if not _JOINT.match(text, _after_blanks(text, end)):
            yield "sql condition", where.end() + 1, end, "TRUE"


def _assignments(text: str) -> Iterator[tuple[str, int, int, str]]:
    """Each column but the first is not set."""
    for clause in _ASSIGNMENTS.finditer(text):
        end = _end_of_clause(text, clause.end())
        commas = [comma for comma in _top_level(text, clause.end(), ",") if comma < end]
        for comma, after in pairwise([*commas, end]):
            yield "sql assignment", comma, _before_blanks(text, after), ""


def _end_of_clause(text: str, start: int) -> int:
    """Where WHERE or RETURNING follows, or the text ends."""
    found = re.compile(r"\b(WHERE|RETURNING|FROM)\b").search(text, start)
    return found.start() if found else _end_of_text(text, start)


def _end_of_text(text: str, start: int) -> int:
    """Where the quotes are."""
    found = _LITERAL_END.search(text, start)
    return found.start() if found else len(text)


def _end_of_condition(text: str, start: int) -> int:
    """Where the next operator, clause, closing parenthesis or quote is, without the blanks before it."""
    depth, limit = 0, _end_of_text(text, start)
    for position in range(start, limit):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth < 0 or (depth == 0 and (_END.match(text, position) or text[position] in ",;")):
            return _before_blanks(text, position)
    return _before_blanks(text, limit)


def _start_of_condition(text: str, end: int) -> int:
    """After the operator, keyword, opening parenthesis or quote before this position."""
    depth = 0
    for position in range(end - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[position], 0)
        if depth < 0 or (depth == 0 and text[position] in "\"'"):
            return position + 1
        found = depth == 0 and _START.match(text, position)
        if found:
            return found.end() + 1
    return 0


def _top_level(text: str, start: int, character: str) -> Iterator[int]:
    depth = 0
    for position in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0 and text[position] == character:
            yield position


def _before_blanks(text: str, position: int) -> int:
    return len(text[:position].rstrip())


def _after_blanks(text: str, position: int) -> int:
    return len(text) - len(text[position:].lstrip())
