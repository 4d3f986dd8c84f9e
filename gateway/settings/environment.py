"""Reads the environment and `.env`, without interpreting the values."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream

DOTENV: Final = ".env"

_QUOTES: Final = ("'", '"')
_SETTING_NAME: Final = re.compile(r"TENDON_\w+|\w+_CLIENT_(ID|SECRET)", re.IGNORECASE)
# How Python represents bytes of the environment that are not UTF-8.
_NOT_UTF8: Final = re.compile(r"[\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class SettingsError(Exception):
    """One or more settings are invalid. The message has a line for each, which never contains the value."""


def read_environment() -> dict[str, str]:
    """The variables of `.env` and of the environment, which takes precedence. References such as `${NAME}` are not
    expanded, because a secret may contain `${`.

    Raises SettingsError with a line for each mistake in the file.
    """
    environment, problems = scan_environment()
    if problems:
        raise SettingsError("\n".join(problems))
    return environment


def scan_environment() -> tuple[dict[str, str], list[str]]:
    """The variables as `read_environment` returns them, without the lines that can't be parsed; and a message for each
    mistake in the file. Raises SettingsError when the file can't be read at all."""
    bindings = _bindings()
    values = {each.key: each.value for each in bindings if each.key is not None and each.value is not None}
    return values | dict(os.environ), list(_problems(bindings))


def names_in_file() -> set[str]:
    """The variables that `.env` sets."""
    return {binding.key for binding in _bindings() if binding.key is not None}


def _bindings() -> list[Binding]:
    """The parsed lines of the file; empty if there is none. A directory named `.env` is ignored: it is a virtual
    environment."""
    path = Path(DOTENV)
    if not (path.is_file() or path.is_fifo()):
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise SettingsError(
            f"{DOTENV}: can't be read ({fault.strerror}): let this user read it, or remove it"
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{DOTENV}: is not UTF-8: save it as UTF-8") from None
    # An optional byte order mark.
    return list(parse_stream(StringIO(text.removeprefix("\ufeff"))))


def format_problem(value: str, *, secret: bool = False) -> str | None:
    """What is wrong with the text of a value, and what to write instead; None if nothing is.

    Such a value is rejected rather than corrected, so that what Tendon uses is exactly what the operator wrote.
    Quotation marks around a `secret` are accepted, because they may be part of it.
    """
    if _NOT_UTF8.search(value):
        return "is not UTF-8: write it in UTF-8"
    if value != value.strip():
        what = "a line break" if value.strip("\r\n") != value else "white space"
        return f"begins or ends with {what}: remove it"
    if _CONTROL.search(value):
        return "contains a line break or another control character: remove it"
    return None if secret else quotation_problem(value)


def quotation_problem(value: str) -> str | None:
    """The same for quotation marks only. A shell and `.env` remove them; Docker's `--env-file` keeps them."""
    if len(value) > 1 and value[0] == value[-1] and value[0] in _QUOTES:
        return "is in quotation marks, which are part of the value here: remove them"
    return None


def _problems(bindings: list[Binding]) -> Iterator[str]:
    lines: dict[str, int] = {}
    for binding in bindings:
        line, key = _line(binding), binding.key
        if binding.error:
            yield f"{DOTENV}: line {line} can't be read: write NAME=value"
        elif key is not None and key in lines:
            yield f"{DOTENV}: {key} is set twice, in lines {lines[key]} and {line}: remove one of them"
        elif key is not None and binding.value is None and _SETTING_NAME.fullmatch(key):
            yield f"{DOTENV}: line {line} has no `=` after {key}: write {key}=value"
        if key is not None:
            lines.setdefault(key, line)


def _line(binding: Binding) -> int:
    """The line number of the binding. The parser counts from the first of the blank lines before it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(re.findall(r"\r\n|\n|\r", blank))
