"""The chart in README.md: CPU time of a callback for each contender, as a multiple of the floor, for light and dark."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from html import escape
from typing import Final

from benchmarks import contenders
from benchmarks.contenders import Entry
from benchmarks.results import Results
from benchmarks.workload import REST

_WIDTH: Final = 900
_LEFT: Final = 370
_MARGIN: Final = 60
_BAR: Final = 13
_GAP: Final = 14
_TOP: Final = 74
_NAMES: Final = {"sqlite": "SQLite", "postgres": "PostgreSQL"}

# Text and both bars keep a contrast of 4.5 on white and on GitHub's dark background.
_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 15px; }
.note { fill: #59636e; font-size: 12px; }
.sqlite { fill: #0969da; }
.postgres { fill: #8250df; }
.ours { font-weight: 600; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .note { fill: #9198a1; }
  .sqlite { fill: #4493f8; }
  .postgres { fill: #ab7df8; }
}
"""


def draw(results: Results) -> str:
    engines = results.engines()
    rows = _rows(results, engines)
    height = _TOP + len(rows) * (len(engines) * _BAR + _GAP) + 8
    longest = max([1.0, *(ratio for _, ratios in rows for ratio in ratios.values())])
    scale = (_WIDTH - _LEFT - _MARGIN) / longest
    parts = [*_head(engines), *(part for at, row in enumerate(rows) for part in _bars(at, row, engines, scale))]
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="t">'
    return "\n".join([opening, f"<style>{_STYLE}</style>", *parts, "</svg>", ""])


def _rows(results: Results, engines: list[str]) -> list[tuple[Entry, dict[str, float]]]:
    """The ratio to the floor on each engine, the lowest first."""
    ratios: dict[Entry, dict[str, float]] = {}
    for engine in engines:
        for entry in results.entries(engine, "callback"):
            found = results.ratios(engine, entry, Entry("callback", "floor", REST))
            if found:
                ratios.setdefault(entry, {})[engine] = statistics.median(found)
    return sorted(ratios.items(), key=lambda row: statistics.mean(row[1].values()))


def _head(engines: list[str]) -> Iterator[str]:
    title = "CPU time for one callback, as a multiple of the floor. Shorter is better."
    yield f'<text id="t" class="title" x="10" y="22">{title}</text>'
    note = "Same work, same durability, same statements (except “as documented”), 32 requests in flight."
    yield f'<text class="note" x="10" y="42">{note}</text>'
    for at, engine in enumerate(engines):
        yield f'<rect class="{engine}" x="{10 + at * 110}" y="53" width="11" height="11" rx="2"/>'
        yield f'<text class="note" x="{26 + at * 110}" y="63">{_NAMES[engine]}</text>'


def _bars(at: int, row: tuple[Entry, dict[str, float]], engines: list[str], scale: float) -> Iterator[str]:
    entry, ratios = row
    top = _TOP + at * (len(engines) * _BAR + _GAP)
    middle = top + len(engines) * _BAR / 2 + 5
    kind = ' class="ours"' if entry.contender == "tendon" else ""
    yield f'<text{kind} x="{_LEFT - 10}" y="{middle:.0f}" text-anchor="end">{escape(contenders.title(entry))}</text>'
    for place, engine in enumerate(engines):
        if (ratio := ratios.get(engine)) is not None:
            y, width = top + place * _BAR, ratio * scale
            yield f'<rect class="{engine}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 2}" rx="2"/>'
            yield f'<text class="note" x="{_LEFT + width + 6:.1f}" y="{y + 10}">{ratio:.1f}</text>'
