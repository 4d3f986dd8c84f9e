"""Documents that are written to cost much, by what is costly about them."""

from __future__ import annotations


def named(prefix: str, count: int, form: str = "%s") -> str:
    return " ".join(form.replace("%s", f"{prefix}{number}") for number in range(count))


def literal(members: int) -> str:
    return "{" + named("redirectUr", members, "%s: 1") + "}"


def nested(member: str, levels: int, value: str = "1") -> str:
    return f"{{{member}: " * levels + value + "}" * levels


def chained(operations: int, fragments: int) -> str:
    """Operations that each spread a chain of fragments, with variables in all of them."""
    chain = [
        f"fragment f{n} on Provider {{ slug @include(if: $a) {f'...f{n + 1}' if n < fragments - 1 else 'name'} }}"
        for n in range(fragments)
    ]
    asking = [f"query q{n}($a: Boolean!) {{ providers {{ ...f0 }} }}" for n in range(operations)]
    return " ".join([*asking, *chain])


LONG = "x" * 120
HOSTILE = {
    "unknown members": "mutation { %s }" % named("a", 5, f"%s: authorizeConnection(input: {literal(28)}) {{ url }}"),
    "far more unknown members": "mutation { authorizeConnection(input: %s) { url } }" % literal(320),
    "unknown fields": "{ providers { %s } }" % named("slux", 240),
    "unknown fields with long names": "{ providers { %s } }" % named(LONG, 240),
    "unknown arguments": "{ providers(%s) { slug } }" % named("a", 140, "%s: 1"),
    "unknown directives": "{ providers { %s } }" % named("a", 50, "slug @%s(if: false)"),
    "an error after many directives": "{ providers { %s nothing } }" % ("slug @skip(if: false) " * 50),
    "unknown types": "query(%s) { __typename }" % named("v", 70, "$%s: CompleteConnectionInpt"),
    "unused variables": "query(%s) { __typename }" % named("v", 90, "$%s: Int"),
    "undefined variables": "{ %s }" % named("a", 5, "%s: provider(slug: $%s) { slug @skip(if: $%s) }"),
    "unused fragments": "{ __typename } %s" % named("f", 15, "fragment %s on Query { __typename providers { slug } }"),
    "spreads": "{ providers { %s nothing } } %s"
    % (named("...f", 15), named("f", 15, "fragment %s on Provider { slug name }")),
    "far more spreads": "{ providers { %s } } %s"
    % (named("...f", 80), named("f", 80, "fragment %s on Provider { slug }")),
    "spreads within spreads": "{ providers { ...f0 } } fragment f14 on Provider { nothing } "
    + " ".join(f"fragment f{n} on Provider {{ ...f{n + 1} ...f{n + 1} }}" for n in range(14)),
    "a cycle of fragments": "{ ...f0 } "
    + " ".join(f"fragment f{n} on Query {{ ...f{(n + 1) % 15} }}" for n in range(15)),
    "inline fragments": "{ providers { %s nothing } }" % ("... on Provider { slug } " * 29),
    "fields again and again": "{ providers { %s nothing } }" % ("slug " * 240),
    "fields again with directives": "{ providers { %s nothing } }" % ("slug @include(if: true) " * 50),
    "fields again with selections": "{ connections(userId: 1) { %s nothing } }" % ("provider { slug id } " * 55),
    "fields again with arguments": "{ providers { %s } }" % ("scopes(a: 1) " * 70),
    "fields in conflict": "{ providers { %s } }" % ("a: slug a: name " * 7),
    "operations": " ".join(f"query q{n} {{ providers {{ slug }} }}" for n in range(14)) + " query q1 { __typename }",
    "operations without names": "{ __typename } " * 30,
    "a long list": "{ provider(slug: [%s]) { slug } }" % ("1 " * 280),
    "a long list of null": "{ provider(slug: [%s]) { slug } }" % ("null " * 290),
    "long numbers": "mutation { completeConnection(input: {a: {b: [%s]}}) { connection { id } } }"
    % (("9" * 127 + " ") * 270),
    "lists that fit": "mutation { completeConnection(input: {a: [%s]}) { connection { id } } }"
    % (f"[{'9 ' * 30}] " * 9),
    "lists in lists": "{ provider(slug: %s) { slug } }" % ("[" * 150 + "]" * 150),
    "objects in objects": "{ provider(slug: %s) { slug } }" % ("{a: " * 100 + "1" + "}" * 100),
    "objects in an input": f"mutation {{ completeConnection(input: {nested('a', 140)}) {{ connection {{ id }} }} }}",
    "objects in a member": f"mutation {{ completeConnection(input: {nested('code', 140)}) {{ connection {{ id }} }} }}",
    "a variable in objects": "mutation($v: String) { completeConnection(input: %s) { connection { id } } }"
    % nested("a", 135, "$v"),
    "objects in a directive": f"{{ providers @include(if: {nested('a', 140)}) {{ slug }} }}",
    "objects in a default": f"query($v: String = {nested('a', 140)}) {{ provider(slug: $v) {{ slug }} }}",
    "objects in an argument of introspection": f"{{ __type(name: {nested('a', 140)}) {{ name }} }}",
    "objects that fit": "mutation { %s }"
    % named("a", 5, f"%s: authorizeConnection(input: {nested('provider', 10)}) {{ url }}"),
    "directives with a variable": "query($a: Boolean!) { providers { %s } }" % ("slug @include(if: $a) " * 51),
    "directives with a variable that fit": "query($a: Boolean!) { providers { %s } }" % ("slug @include(if: $a) " * 50),
    "operations that share fragments": chained(12, 9),
    "operations that share fragments and fit": chained(8, 8),
    "a list type": "query($v: %s) { __typename }" % ("[" * 150 + "Int" + "]" * 150),
    "a deep document": "{ a " * 190 + "} " * 190,
    "a long string": '{ provider(slug: "%s") { nothing } }' % ("x" * 64_000),
    "long strings that are rejected": "{ providers { %s } }" % (f'slug @skip(if: "{"x" * 2400}") ' * 25),
    "escapes": '{ provider(slug: "%s") { nothing } }' % ("\\n" * 1020),
    "far more escapes": '{ provider(slug: "%s") { nothing } }' % ("\\n" * 32_000),
    "a block string": '{ provider(slug: """%s""") { nothing } }' % ("x\n" * 1020),
    "a long block string": '{ provider(slug: """%s""") { nothing } }' % ("x\n" * 32_000),
    "a block string that pretends to end": '{ provider(slug: """\\"""%s""") { nothing } }' % ("x\n" * 32_000),
    "a string without end": '{ provider(slug: "%s' % ("\\n" * 32_000),
    "a long name": "{ %s }" % ("x" * 64_000),
    "a long number": "{ provider(slug: %s) { slug } }" % ("1" * 64_000),
    "a long comment": "#" + "x" * 64_000 + "\n{ nothing }",
    "comments": "#\n" * 990 + "{ nothing }",
    "far more comments": "#\n" * 32_000 + "{ nothing }",
    "blanks": " " * 64_000 + "{ nothing }",
    "lines": "\n" * 990 + "{ %s }" % named("a", 10),
    "far more lines": "\n" * 64_000 + "{ nothing }",
    "lines and an error at the end": "\n" * 64_000 + "{",
    "punctuation": "{ providers(" + ":" * 1000,
    "tokens": "{ providers { %s" % ("slug " * 1000),
    "types of a schema": named("t", 90, "type %s { a: Int }"),
    "introspection": "{ __schema { types { %s } } }" % named("a", 120, "%s: name"),
    "introspection several times": "{ %s }" % named("a", 4, "%s: __schema { types { fields { args { name } } } }"),
    "aliases within introspection": "{ __schema { %s } }" % named("a", 14, "%s: types { fields { args { name } } }"),
}
HOSTILE_ANONYMOUS = {
    **HOSTILE,
    "tokens that fit": "{ providers { %s } }" % ("slug " * 95),
    "fields that fit": "{ providers { %s nothing } }" % ("slug @skip(if: true) " * 11),
    "aliases that fit": "{ %s providers { a: slug nothing } }"
    % named("a", 4, "%s: providers { slug name a id slug docs scopes }"),
    "arguments that fit": "{ %s }" % named("a", 4, '%s: provider(slug: "x", no: 1) { slug }'),
    "spreads that fit": "{ providers { %s } } %s"
    % (named("...f", 9), named("f", 9, "fragment %s on Provider { slug }")),
    "variables that fit": "query(%s) { __typename }" % named("v", 22, "$%s: Int"),
    "escapes that fit": '{ provider(slug: "%s") { nothing } }' % ("\\n" * 1020),
    "bytes that fit": '{ provider(slug: "%s") { nothing } }' % ("x" * 6000),
}
