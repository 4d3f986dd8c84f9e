"""A module's source: its syntax tree, the place of each node in the text, and what is never mutated."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

_SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Edit(NamedTuple):
    """The bytes from `start` to `end` become `text`. `kind` names the operator."""

    kind: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Place:
    """A node, the qualified name of the function or class around it, and the nodes that contain it, outermost first."""

    node: ast.AST
    function: str
    parents: tuple[ast.AST, ...]

    def is_cleanup(self) -> bool:
        """Whether the node belongs to a `finally` or an `except`."""
        inner = (*self.parents[1:], self.node)
        return any(
            isinstance(parent, ast.ExceptHandler) or (isinstance(parent, ast.Try) and child in parent.finalbody)
            for parent, child in zip(self.parents, inner, strict=True)
        )


class Source:
    """The text of the module at `path`, relative to the repository."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.data = text.encode()
        self.tree = ast.parse(text)
        self._starts = [0]
        for line in self.data.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where the node's text starts and ends, in bytes."""
        placed: Any = node
        start = self._starts[placed.lineno - 1] + placed.col_offset
        return start, self._starts[placed.end_lineno - 1] + placed.end_col_offset

    def text(self, node: ast.AST) -> str:
        return self.between(*self.span(node))

    def between(self, start: int, end: int) -> str:
        return self.data[start:end].decode()

    def line(self, position: int) -> int:
        return self.data.count(b"\n", 0, position) + 1

    def lines(self, edit: Edit) -> tuple[str, str]:
        """The lines that the edit touches, before and after it, with each run of blanks as a single one."""
        start = self.data.rfind(b"\n", 0, edit.start) + 1
        end = self.data.find(b"\n", edit.end)
        end = len(self.data) if end < 0 else end
        after = self.between(start, edit.start) + edit.text + self.between(edit.end, end)
        return " ".join(self.between(start, end).split()), " ".join(after.split())

    def edited(self, edit: Edit) -> bytes:
        return self.data[: edit.start] + edit.text.encode() + self.data[edit.end :]

    def places(self) -> Iterator[Place]:
        """All that may be mutated: no annotations, docstrings, type-checking blocks or decorators."""
        yield from self._within(Place(self.tree, "", ()))

    def _within(self, place: Place) -> Iterator[Place]:
        node = place.node
        inner = place.function
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inner = f"{place.function}.{node.name}".lstrip(".")
        for child in _mutable_children(node):
            found = Place(child, inner, (*place.parents, node))
            yield found
            yield from self._within(found)


def _mutable_children(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params", "bases"}:
            continue
        children = value if isinstance(value, list) else [value]
        if name == "body" and isinstance(node, _SCOPES) and ast.get_docstring(node, clean=False) is not None:
            children = children[1:]
        if name == "body" and isinstance(node, ast.If) and _is_for_type_checkers(node):
            continue
        # Python 3.11 doesn't know the place of what is inside an f-string.
        if isinstance(node, ast.JoinedStr):
            continue
        yield from (child for child in children if isinstance(child, ast.AST))


def _is_for_type_checkers(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
