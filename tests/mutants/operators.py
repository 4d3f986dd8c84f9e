"""The faults that are planted in Python code. Each operator yields the edits for one node."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import Final

from tests.mutants.source import Edit, Place, Source

_BOUNDS: Final[dict[type[ast.cmpop], str]] = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
_OPPOSITES: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
_COMPARISON: Final = re.compile(r"<=|>=|==|!=|<|>|is\s+not|not\s+in|is|in")
_ARITHMETIC: Final[dict[type[ast.operator], tuple[str, str]]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
}
# Options of a class that no caller can see.
_UNSEEN: Final = {"slots", "frozen", "kw_only", "strict"}
_CALLS: Final = {"min": "max", "max": "min", "sorted": "list", "reversed": "list"}
_METHODS: Final = {"popleft": "pop", "pop": "popleft", "popitem": "copy"}
# No code of ours raises it.
_NEVER_RAISED: Final = "ZeroDivisionError"


def comparisons(source: Source, place: Place) -> Iterator[Edit]:
    """A bound is moved by one, another comparison is reversed."""
    node = place.node
    if isinstance(node, ast.Compare):
        operands = [node.left, *node.comparators]
        for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
            bound = _BOUNDS.get(type(operator))
            start, end = source.span(left)[1], source.span(right)[0]
            text = _COMPARISON.sub(bound or _OPPOSITES[type(operator)], source.between(start, end), count=1)
            yield Edit("bound" if bound else "comparison", start, end, text)


def boolean_operators(source: Source, place: Place) -> Iterator[Edit]:
    node = place.node
    if isinstance(node, ast.BoolOp):
        own, other = (" and ", " or ") if isinstance(node.op, ast.And) else (" or ", " and ")
        operands = [f"({source.text(value)})" for value in node.values]
        span = source.span(node)
        yield Edit("and/or", *span, f"({other.join(operands)})")
        for index in range(len(operands)):
            yield Edit("operand", *span, f"({own.join([*operands[:index], *operands[index + 1 :]])})")
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield Edit("not", *source.span(node), f"({source.text(node.operand)})")


def conditions(source: Source, place: Place) -> Iterator[Edit]:
    """A condition always holds, or never."""
    match place.node:
        case ast.If(test) | ast.IfExp(test) if not _names(test, "TYPE_CHECKING"):
            tests, values = [test], ["True", "False"]
        case ast.While(test):
            tests, values = [test], ["False"]
        case ast.comprehension(ifs=tests):
            values = ["True", "False"]
        case ast.match_case(guard=ast.expr() as guard):
            tests, values = [guard], ["True", "False"]
        case _:
            return
    yield from (Edit("condition", *source.span(test), value) for test in tests for value in values)


def constants(source: Source, place: Place) -> Iterator[Edit]:
    match place:
        case Place(parents=(*_, ast.keyword(arg=str(name)))) if name in _UNSEEN:
            return
        case Place(node=ast.Constant(value=bool(value))):
            yield Edit("constant", *source.span(place.node), str(not value))
        case Place(node=ast.Constant(value=int() | float() as value)):
            others = (value + 1, value - 1) if value else (value + 1,)
            yield from (Edit("constant", *source.span(place.node), f"({other!r})") for other in others)
        case _:
            pass


def arithmetic(source: Source, place: Place) -> Iterator[Edit]:
    node = place.node
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC and not _is_text(node.left, node.right):
        own, other = _ARITHMETIC[type(node.op)]
        start, end = source.span(node.left)[1], source.span(node.right)[0]
        yield Edit("arithmetic", start, end, source.between(start, end).replace(own, other, 1))


def statements(source: Source, place: Place) -> Iterator[Edit]:
    """A statement is left out."""
    match place.node:
        case ast.Expr(value=ast.Call() | ast.Await()):
            kind = "cleanup" if place.is_cleanup() else "call"
        case ast.Raise():
            kind = "raise"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]) | ast.AugAssign() | ast.Delete():
            kind = "assignment"
        case ast.Continue() | ast.Break():
            kind = "jump"
        case _:
            return
    yield Edit(kind, *source.span(place.node), "pass")


def returns(source: Source, place: Place) -> Iterator[Edit]:
    match place.node:
        case ast.Return(value=ast.Constant(value=None)):
            return
        case ast.Return(value=ast.expr() as value):
            yield Edit("return", *source.span(value), "None")
        case _:
            pass


def exceptions(source: Source, place: Place) -> Iterator[Edit]:
    """An exception is not caught."""
    match place.node:
        case ast.ExceptHandler(type=ast.Tuple(elts=kinds)):
            yield from (Edit("except", *source.span(kind), _NEVER_RAISED) for kind in kinds)
        case ast.ExceptHandler(type=ast.expr() as kind):
            yield Edit("except", *source.span(kind), _NEVER_RAISED)
        case _:
            pass


def cleanups(source: Source, place: Place) -> Iterator[Edit]:
    """A `finally` is empty, a `with` is not entered, and what cleans up is not awaited or not shielded."""
    node = place.node
    match node:
        case ast.Try(finalbody=[first, *_] as body):
            yield Edit("finally", source.span(first)[0], source.span(body[-1])[1], "pass")
        case ast.With(items=items) | ast.AsyncWith(items=items) if not any(item.optional_vars for item in items):
            last = source.span(items[-1].context_expr)[1]
            colon = source.data.index(b":", last)
            yield Edit("with", source.span(node)[0], colon, "if True")
        case ast.Expr(value=ast.Await(value=awaited)) if place.is_cleanup():
            yield Edit("await", *source.span(node), source.text(awaited))
        case ast.Call(func=ast.Attribute(attr="shield"), args=[shielded]):
            yield Edit("await", *source.span(node), source.text(shielded))
        case _:
            pass


def orders(source: Source, place: Place) -> Iterator[Edit]:
    """What is first comes last."""
    match place.node:
        case ast.Call(func=ast.Name(id=name) as function, args=[first, *_]) if name in _CALLS:
            if _CALLS[name] == "list":
                yield Edit("order", *source.span(place.node), f"list({source.text(first)})")
            else:
                yield Edit("order", *source.span(function), _CALLS[name])
        case ast.Call(func=ast.Attribute(attr=name) as function, args=[]) if name in _METHODS:
            end = source.span(function)[1]
            yield Edit("order", end - len(name), end, _METHODS[name])
        case ast.Subscript(slice=ast.Constant(value=0) as index):
            yield Edit("order", *source.span(index), "-1")
        case ast.Subscript(slice=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1)) as index):
            yield Edit("order", *source.span(index), "0")
        case _:
            pass


def _names(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_text(*nodes: ast.expr) -> bool:
    """Whether one of them is a string."""
    return any(
        isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))
        for node in nodes
    )


OPERATORS: Final[tuple[Callable[[Source, Place], Iterator[Edit]], ...]] = (
    comparisons,
    boolean_operators,
    conditions,
    constants,
    arithmetic,
    statements,
    returns,
    exceptions,
    cleanups,
    orders,
)
