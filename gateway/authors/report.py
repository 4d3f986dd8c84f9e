"""What an author reads of a flow: its steps, and at the end what differs from the entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.authors.redaction import Redactor
from gateway.authors.shown import answer_lines, request_lines
from gateway.authors.tracing import Exchanged
from providers.entry.provider import Provider


class Report:
    """`differences` are sentences."""

    def __init__(self, entry: Provider, redactor: Redactor, say: Callable[[str], None]) -> None:
        self._say = say
        self.differences: list[str] = []
        self._entry = entry
        self._redactor = redactor
        self._step = 0

    def say(self, line: str) -> None:
        """Print a line. What a provider sends can't control the terminal."""
        self._say("".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in line))

    def begin(self, title: str) -> None:
        self._step += 1
        self.say(f"\n{self._step}. {title}")

    def show(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.say(f"   {line}")

    def show_exchanged(self, exchanged: Exchanged) -> None:
        """A request and its answer, without secrets."""
        self.show(request_lines(exchanged, self._entry))
        self.show(answer_lines(exchanged, self._redactor))

    def conclude(self, *, worked: bool) -> None:
        self.say("")
        if not self.differences:
            self.say("Nothing differs from the entry." if worked else "The flow has ended early.")
            return
        self.say("What differs from the entry, or is missing from it:")
        for difference in self.differences:
            self.say(f"- {difference}")
