"""The command `tendon`, whose log lines are JSON in dev mode, too, as they are in production. Dev mode formats them for
a terminal, which costs more. Nothing else is different.

    python -m benchmarks.tendon serve --port 8000
"""

from __future__ import annotations

from gateway import logs
from tendon_cli import main

_set_up = logs.set_up


def _as_in_production(level: str, *, dev: bool) -> None:  # noqa: ARG001 - the signature of `set_up`
    _set_up(level, dev=False)


if __name__ == "__main__":
    logs.set_up = _as_in_production
    main()
