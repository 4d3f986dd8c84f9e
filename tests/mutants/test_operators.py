"""Which faults are planted in a piece of code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant, mutants_of


def mutants(folder: Path, code: str, module: str = "wire/module.py") -> list[Mutant]:
    path = folder / module
    path.parent.mkdir(exist_ok=True)
    path.write_text(code, encoding="utf-8")
    return list(mutants_of(folder, module))


def replaced(folder: Path, code: str, kind: str, module: str = "wire/module.py") -> list[str]:
    found = mutants(folder, code, module)
    assert all(mutant.compiles() for mutant in found)
    return [mutant.content.decode() for mutant in found if mutant.kind == kind]


@pytest.mark.parametrize(
    ("kind", "code", "faults"),
    [
        ("bound", "a < b <= c", ["a <= b <= c", "a < b < c"]),
        ("bound", "(a + 1) > (b)", ["(a + 1) >= (b)"]),
        ("comparison", "a == b", ["a != b"]),
        ("comparison", "a is  not b", ["a is b"]),
        ("comparison", "a in b", ["a not in b"]),
        ("and/or", "a and b", ["((a) or (b))"]),
        ("operand", "a or b or c", ["((b) or (c))", "((a) or (c))", "((a) or (b))"]),
        ("not", "x = not a", ["x = (a)"]),
        ("condition", "if a:\n    b", ["if True:\n    b", "if False:\n    b"]),
        ("condition", "while a:\n    b", ["while False:\n    b"]),
        ("condition", "[a for a in b if c]", ["[a for a in b if True]", "[a for a in b if False]"]),
        ("condition", "b if a else c", ["b if True else c", "b if False else c"]),
        ("constant", "a = True", ["a = False"]),
        ("constant", "a = 8", ["a = (9)", "a = (7)"]),
        ("constant", "a = -0.5", ["a = -(1.5)", "a = -(-0.5)"]),
        ("constant", "def f(a=0): b", ["def f(a=(1)): b"]),
        ("constant", "f(slots=True, other=True)", ["f(slots=True, other=False)"]),
        ("arithmetic", "(a) + b", ["(a) - b"]),
        ("arithmetic", "a // b", ["a * b"]),
        ("arithmetic", "'a' + b", []),
        ("call", "f(a)\nb", ["pass\nb"]),
        ("call", "async def f(): await g()", ["async def f(): pass"]),
        ("call", "x = f(a)", []),
        ("raise", "if a: raise b", ["if a: pass"]),
        ("assignment", "a.b = c", ["pass"]),
        ("assignment", "a += c", ["pass"]),
        ("assignment", "a = c", []),
        ("jump", "for a in b: continue", ["for a in b: pass"]),
        ("return", "def f(): return a", ["def f(): return None"]),
        ("return", "def f(): return None", []),
        ("except", "try: a\nexcept B: c", ["try: a\nexcept ZeroDivisionError: c"]),
        (
            "except",
            "try: a\nexcept (B, C): d",
            ["try: a\nexcept (ZeroDivisionError, C): d", "try: a\nexcept (B, ZeroDivisionError): d"],
        ),
        ("finally", "try: a\nfinally:\n    b\n    c", ["try: a\nfinally:\n    pass"]),
        ("cleanup", "try: a\nfinally: b(); c = d\ne()", ["try: a\nfinally: pass; c = d\ne()"]),
        ("cleanup", "try: a()\nexcept B: c()", ["try: a()\nexcept B: pass"]),
        ("with", "with a(b), c: d", ["if True: d"]),
        ("with", "with a as b: c", []),
        (
            "await",
            "async def f():\n    try: a\n    finally: await b()",
            ["async def f():\n    try: a\n    finally: b()"],
        ),
        ("await", "x = asyncio.shield(a)", ["x = a"]),
        ("order", "sorted(a, key=b)", ["list(a)"]),
        ("order", "min(a, b)", ["max(a, b)"]),
        ("order", "a.popleft()", ["a.pop()"]),
        ("order", "a[0]", ["a[-1]"]),
        ("order", "a[-1]", ["a[0]"]),
    ],
)
def test_an_operator(tmp_path: Path, kind: str, code: str, faults: list[str]) -> None:
    assert replaced(tmp_path, code, kind) == faults


@pytest.mark.parametrize(
    "code",
    [
        '"""Not 8 < 9."""',
        "def f():\n    '''Raises 1.'''",
        "a: 1 < 2",
        "def f(a: 1 < 2) -> 1 < 2: ...",
        "if TYPE_CHECKING:\n    a = 1",
        "@f(1)\ndef g(): ...",
        "f'{1 < 2}'",
    ],
)
def test_what_no_caller_sees_is_left_alone(tmp_path: Path, code: str) -> None:
    assert mutants(tmp_path, code) == []


def test_a_mutant_is_known_by_its_lines(tmp_path: Path) -> None:
    code = "class A:\n    def f(self):\n        é = 'é' if a  < b else c\n"
    bound = next(mutant for mutant in mutants(tmp_path, code) if mutant.kind == "bound")
    assert bound.key == ("wire/module.py", "A.f", "é = 'é' if a < b else c", "é = 'é' if a <= b else c")
    assert bound.line == 3
    moved = mutants(tmp_path, f"import x\n\n{code}")
    assert bound.key in {mutant.key for mutant in moved}


STATEMENT = '''A = S("""
    UPDATE t SET a = :a, b = f(1, 2), c = NULL
    WHERE x = :x AND (y < 1 OR z IS NULL) AND {held} RETURNING a""")
B = S("SELECT a FROM t WHERE x = 1 ORDER BY b DESC LIMIT 1 FOR UPDATE SKIP LOCKED")
'''


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("sql condition", "WHERE x = :x AND (", "WHERE ("),
        ("sql condition", " AND (y < 1 OR z IS NULL)", ""),
        ("sql condition", " AND {held}", ""),
        ("sql condition", "(y < 1 OR z IS NULL)", "(y < 1)"),
        ("sql condition", "(y < 1 OR z IS NULL)", "(z IS NULL)"),
        ("sql condition", "WHERE x = 1", "WHERE TRUE"),
        ("sql assignment", ", b = f(1, 2)", ""),
        ("sql assignment", ", c = NULL", ""),
        ("sql comparison", "x = :x", "x <> :x"),
        ("sql comparison", "y < 1", "y <= 1"),
        ("sql comparison", "IS NULL", "IS NOT NULL"),
        ("sql and/or", "1 OR z", "1 AND z"),
        ("sql order", "DESC", "ASC"),
        ("sql order", " ORDER BY b DESC", ""),
        ("sql order", " LIMIT 1", ""),
        ("sql lock", " FOR UPDATE SKIP LOCKED", ""),
        ("sql lock", " SKIP LOCKED", ""),
    ],
)
def test_sql(tmp_path: Path, kind: str, before: str, after: str) -> None:
    assert STATEMENT.replace(before, after, 1) in replaced(tmp_path, STATEMENT, kind, "models/module.py")


def test_sql_has_no_other_faults(tmp_path: Path) -> None:
    found = [mutant.kind for mutant in mutants(tmp_path, STATEMENT, "models/module.py")]
    assert {kind: found.count(kind) for kind in set(found)} == {
        "sql condition": 6,
        "sql assignment": 2,
        "sql comparison": 4,
        "sql and/or": 3,
        "sql order": 3,
        "sql lock": 2,
    }
    assert mutants(tmp_path, STATEMENT) == []
