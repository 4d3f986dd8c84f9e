"""Prints the results as tables, and writes them as JSON: medians over the rounds, ratios within each round."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from benchmarks import goals
from benchmarks.contenders import BY_NAME, OPERATIONS, Entry, title
from benchmarks.plan import Plan
from benchmarks.proc import CORES
from benchmarks.results import Results
from benchmarks.workload import REST

_TITLES = {
    "callback": "a callback becomes a connection",
    "authorize": "authorize",
    "list": "a list of 100 connections",
}
_HEAD = (
    f"{'CPU per request':52} {'µs':>6} {'x floor':>8} {'range':>12} {'db µs':>6} {'1/s':>6}"
    f" {'32: p50':>8} {'p99':>6} {'1: p50':>7} {'p99':>6} {'fixed':>6} {'p99':>6} {'half':>6} {'p99':>6}  (ms)"
)


def as_json(results: Results) -> str:
    tables = {engine: {name: _table(results, engine, name) for name in OPERATIONS} for engine in results.engines()}
    parts = {"tables": tables, "goals": goals.judged(results), "surroundings": results.surroundings}
    raw = {
        "footprints": [asdict(one) for one in results.footprints],
        "samples": [asdict(one) for one in results.samples],
    }
    return json.dumps(parts | raw, indent=1)


def as_text(results: Results) -> str:
    surroundings = (f"{name}: {value}" for name, value in results.surroundings.items())
    return "\n".join([*_tables(results), *_footprints(results), *goals.lines(results), "", *surroundings])


def _tables(results: Results) -> Iterator[str]:
    for engine in results.engines():
        for operation in OPERATIONS:
            if rows := _table(results, engine, operation):
                yield f"\n{engine}: {_TITLES[operation]}"
                yield _HEAD
                yield from (_line(row) for row in rows)


def _footprints(results: Results) -> Iterator[str]:
    yield f"\n{'start and memory':52} {'first 200':>10} {'CPU':>8} {'MB idle':>8} {'MB loaded':>10}"
    for one in results.footprints:
        seconds, cpu = statistics.median(one.starts), statistics.median(one.start_cpu)
        named = f"{BY_NAME[one.contender].title} on {one.engine}"[:52]
        yield f"{named:52} {seconds:8.2f} s {cpu:6.2f} s {one.idle:8.0f} {one.loaded:10.0f}"


def _table(results: Results, engine: str, operation: str) -> list[dict[str, Any]]:
    return [_row(results, engine, entry) for entry in results.entries(engine, operation)]


def _row(results: Results, engine: str, entry: Entry) -> dict[str, Any]:
    times = {
        f"{what}_{load}": round(results.median(engine, entry, load, what), 2)
        for load in ("32", "1", "fixed", "half")
        for what in ("p50", "p99")
    }
    ratios = results.ratios(engine, entry, Entry(entry.operation, "floor", REST)) or [0.0]
    return {
        "who": title(entry),
        "cpu_us": round(results.median(engine, entry, "32", "cpu")),
        "times_floor": round(statistics.median(ratios), 2),
        "times_floor_range": [round(min(ratios), 2), round(max(ratios), 2)],
        "engine_cpu_us": round(results.median(engine, entry, "32", "engine_cpu")),
        "per_second": round(results.median(engine, entry, "32", "rate")),
        **times,
    }


def _line(row: dict[str, Any]) -> str:
    low, high = row["times_floor_range"]
    times = [row[f"{what}_{load}"] for load in ("32", "1", "fixed", "half") for what in ("p50", "p99")]
    shown = " ".join(f"{value or '':>{width}}" for value, width in zip(times, (8, 6, 7, 6, 6, 6, 6, 6), strict=True))
    return (
        f"{row['who'][:52]:52} {row['cpu_us']:6} {row['times_floor']:8.2f} {f'{low:.2f}-{high:.2f}':>12}"
        f" {row['engine_cpu_us']:6} {row['per_second']:6} {shown}"
    )


def surroundings(plan: Plan, engines: dict[str, str], load_before: tuple[float, float, float]) -> dict[str, Any]:
    """The machine, the versions and the settings of a run."""
    return {
        "cores": len(CORES),
        "machine": platform.machine(),
        "python": python(),
        "node": _version("node"),
        "engines": engines,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "warm_up": plan.warm,
        "fixed_rate": plan.rate,
        "load_average": {"before": load_before, "after": os.getloadavg()},
    }


def python() -> str:
    """The version and the build of the interpreter."""
    build = python_build(*(str(sysconfig.get_config_var(name)) for name in ("CONFIG_ARGS", "CFLAGS")))
    return f"{platform.python_version()} ({build})"


def python_build(configured: str, flags: str) -> str:
    """How the interpreter was compiled. With profile-guided (PGO) and link-time optimization (LTO), it needs a tenth
    less time. `configured` are the arguments of its configure script, `flags` those of the compiler; some distributions
    ask for optimization in other ways, which don't show here."""
    level = [flag for flag in flags.split() if flag.startswith("-O")][-1:]
    pgo = "--enable-optimizations" in configured or "-fprofile-use" in flags
    lto = "--with-lto" in configured.replace("--with-lto=no", "") or "-flto" in flags
    return ", ".join(["PGO" if pgo else "no PGO", "LTO" if lto else "no LTO", *level])


def _version(program: str) -> str | None:
    found = shutil.which(program)
    if found is None:
        return None
    return subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.strip()
