"""What is measured: Tendon as it is shipped, the floor, and alternative stacks."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.installing import NODE, NODE_MODULES, PYTHON, SHIPPED
from benchmarks.workload import GRAPHQL, REST

ENGINES = ("sqlite", "postgres")
OPERATIONS = ("callback", "authorize", "list")
_WRITES = ("callback", "authorize")

_NODE_PEERS = Path(__file__).parent / "peers" / "node"


@dataclass(frozen=True)
class Contender:
    """`command` contains `{port}`. `ready` is a path that answers 200 once the contender can work. A contender that
    is not `ours` gets the description of the work in a file. `engines` are those on which it is measured."""

    name: str
    title: str
    needs: str
    command: tuple[str, ...]
    interfaces: tuple[str, ...] = (REST,)
    operations: tuple[str, ...] = OPERATIONS
    settings: dict[str, str] = field(default_factory=dict[str, str])
    ready: str = "/readyz"
    ours: bool = False
    engines: tuple[str, ...] = ENGINES


@dataclass(frozen=True, order=True)
class Entry:
    """One row of a table: an operation of a contender through one interface."""

    operation: str
    contender: str
    interface: str


def _uvicorn(python: str, app: str, protocol: str = "httptools") -> tuple[str, ...]:
    options = ("--host", "127.0.0.1", "--port", "{port}", "--loop", "uvloop", "--http", protocol)
    # Tendon does without these, too.
    options += ("--no-access-log", "--no-proxy-headers", "--no-server-header", "--log-level", "warning")
    return (python, "-m", "uvicorn", f"benchmarks.peers.{app}:app", *options)


def _node(name: str, title: str, program: str, interface: str) -> Contender:
    settings = {"NODE_PATH": str(NODE_MODULES), "NODE_ENV": "production", "EXCHANGE": "request"}
    ready = "/graphql?query=%7B__typename%7D" if interface == GRAPHQL else "/readyz"
    command = (NODE, str(_NODE_PEERS / program))
    return Contender(name, title, "node", command, (interface,), settings=settings, ready=ready)


def _variant(contender: Contender, name: str, title: str, **changes: Any) -> Contender:
    settings = contender.settings | changes.pop("settings")
    return replace(contender, name=name, title=title, settings=settings, **changes)


_TENDON = (sys.executable, "-m", "tendon_cli", "serve", "--port", "{port}")
# In dev mode there is no limit. This one is never reached, but costs what every limit costs.
_LIMITED = {"TENDON_RATE_LIMIT": "100000/second"}

_SERVER = "benchmarks.peers.floor_server:Protocol"
_FLOOR = Contender("floor", "the floor: bare ASGI", "", _uvicorn(sys.executable, "floor", _SERVER))
_FASTIFY = _node("fastify-undici", "Fastify, undici.request", "fastify.js", REST)
# On PostgreSQL, each write commits on its own, and in another process.
_ON_SQLITE = ("sqlite",)

CONTENDERS = (
    _FLOOR,
    _variant(
        _FLOOR,
        "floor-each",
        "the floor, with a COMMIT for each write",
        operations=_WRITES,
        settings={"COMMITS": "each"},
        engines=_ON_SQLITE,
    ),
    Contender("tendon", "Tendon", "", _TENDON, (REST, GRAPHQL), settings=_LIMITED, ours=True),
    _FASTIFY,
    _variant(
        _FASTIFY,
        "fastify-shared",
        "Fastify, undici.request, shared COMMITs",
        operations=_WRITES,
        settings={"COMMITS": "shared"},
        engines=_ON_SQLITE,
    ),
    _variant(_FASTIFY, "fastify-fetch", "Fastify, fetch", settings={"EXCHANGE": "fetch"}, operations=("callback",)),
    _node("apollo", "Apollo Server, undici.request", "apollo.js", GRAPHQL),
    _node("yoga", "GraphQL Yoga, undici.request", "yoga.js", GRAPHQL),
    Contender(
        "fastapi-core",
        "FastAPI, SQLAlchemy Core, Authlib; same statements",
        "python",
        _uvicorn(str(PYTHON), "fastapi_core"),
    ),
    Contender(
        "fastapi-docs",
        "FastAPI, SQLAlchemy ORM, Authlib; as documented",
        "python",
        _uvicorn(str(PYTHON), "fastapi_docs"),
    ),
)
BY_NAME = {contender.name: contender for contender in CONTENDERS}


def shipped(contender: Contender) -> Contender:
    """Tendon without its development tools, which some packages load if they are installed."""
    return replace(contender, command=(str(SHIPPED), *contender.command[1:]))


def entries(contender: Contender, operations: tuple[str, ...]) -> list[Entry]:
    return [
        Entry(operation, contender.name, interface)
        for operation in operations
        if operation in contender.operations
        for interface in contender.interfaces
    ]


def title(entry: Entry) -> str:
    """With the interface, if the contender has several."""
    contender = BY_NAME[entry.contender]
    named = {REST: "REST", GRAPHQL: "GraphQL"}[entry.interface]
    return f"{contender.title}, {named}" if len(contender.interfaces) > 1 else contender.title
