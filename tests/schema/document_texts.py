"""Texts of random documents, most of which are not valid."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = st.sampled_from(
    ["slug", "id", "scopes", "provider", "providers", "connections", "nothing", "__typename", "__schema", "types", "a"]
)


Members = list[tuple[str, str]]


def _list(items: list[str]) -> str:
    return f"[{' '.join(items)}]"


def _object(members: Members) -> str:
    return "{" + " ".join(f"{name}: {value}" for name, value in members) + "}"


def _in_brackets(members: Members) -> str:
    return f"({_object(members)[1:-1]})" if members else ""


def _block(selections: list[str]) -> str:
    return "{ " + " ".join(selections) + " }"


def _values(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(NAMES | st.just("redirectUri"), inner), max_size=3)
    return st.lists(inner, max_size=3).map(_list) | members.map(_object)


def _variables(declared: list[str]) -> str:
    return f"({' '.join(declared)})" if declared else ""


def _constant(value: str) -> str:
    return f" = {value.replace('$', '')}"


VALUES = st.recursive(
    st.sampled_from(["1", "1.5", '"x"', "true", "null", "ENUM", "$v", "$w", '"""b"""']), _values, max_leaves=6
)


ARGUMENTS = st.lists(st.tuples(st.sampled_from(["slug", "userId", "id", "input", "if", "no"]), VALUES), max_size=2)


DIRECTIVES = st.sampled_from(["", "", "", "@skip(if: $v)", "@include(if: true)", "@skip", "@no(a: 1)", "@skip @skip"])


TYPES = st.sampled_from(["Query", "Provider", "Connection", "Mutation", "String", "Nothing"])


KINDS = st.sampled_from(["String!", "Boolean!", "Int", "[String]", "Provider", "Nothing", "AuthorizeConnectionInput!"])


def _words(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(" ".join)


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, min_size=1, max_size=4).map(_block)


def _selections(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    field = _words(st.sampled_from(["", "b:"]), NAMES, ARGUMENTS.map(_in_brackets), DIRECTIVES, _blocks(inner))
    return field | _words(st.just("... on"), TYPES, DIRECTIVES, _blocks(inner)) | _words(st.just("..."), _blocks(inner))


LEAF = _words(st.sampled_from(["", "", "a:", "id:"]), NAMES, ARGUMENTS.map(_in_brackets), DIRECTIVES)


SPREAD = _words(st.sampled_from(["...F0", "...F1", "...F2", "...F3"]), DIRECTIVES)


SELECTIONS = _blocks(st.recursive(LEAF | NAMES | SPREAD, _selections, max_leaves=10))


DECLARED = _words(st.sampled_from(["$v:", "$w:", "$u:"]), KINDS, st.just("") | VALUES.map(_constant))


VARIABLES = st.lists(DECLARED, max_size=3).map(_variables)


OPERATION = _words(
    st.sampled_from(["query", "query", "mutation", "subscription"]),
    st.sampled_from(["A", "A", "B"]),
    VARIABLES,
    DIRECTIVES,
    SELECTIONS,
)


FRAGMENT = _words(
    st.sampled_from(["fragment F0 on", "fragment F1 on", "fragment F2 on"]), TYPES, DIRECTIVES, SELECTIONS
)


DOCUMENTS = _words(
    st.lists(OPERATION, min_size=1, max_size=2).map("\n".join), st.lists(FRAGMENT, max_size=3).map("\n".join)
)
