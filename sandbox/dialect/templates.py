"""Text with placeholders: what stands in its braces in URLs, header fields and parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

ACCOUNT: Final = "{account}"
"""In a revocation's URL and parameters: the user's account."""

TOKENS: Final = ("access_token", "refresh_token")

REVOCATION_NAMES: Final = ("account", *TOKENS, "client_id")
"""What may be in braces in the URL of a revocation."""

_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z0-9_]+)\}")


def placeholders(template: str) -> list[str]:
    """The names in braces."""
    return _PLACEHOLDER.findall(template)


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with these values. Placeholders without one stay."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), template)


def matched(template: str, text: str, known: Mapping[str, str]) -> dict[str, str] | None:
    """What stands in the text at each placeholder of the template; None if it doesn't have the template's form, or
    anything but the `known` value at a placeholder that has one."""
    pattern, names = "", set[str]()
    for number, part in enumerate(_PLACEHOLDER.split(template)):
        if number % 2 == 0 or part in known:
            pattern += re.escape(part if number % 2 == 0 else known[part])
        else:
            pattern += f"(?P={part})" if part in names else f"(?P<{part}>.+)"
            names.add(part)
    found = re.fullmatch(pattern, text)
    return found and found.groupdict()


def segments(url: str) -> tuple[str, ...]:
    """Those segments of the URL's path that have placeholders of a revocation."""
    return tuple(one for one in urlsplit(url).path.split("/") if any(f"{{{name}}}" in one for name in REVOCATION_NAMES))


def query(url: str) -> Mapping[str, str]:
    """The parameters that the URL has itself, also after the `#/` of a page that routes in the browser."""
    parts = urlsplit(url)
    texts = (parts.query, parts.fragment.partition("?")[2])
    return {name: value for text in texts for name, value in parse_qsl(text, keep_blank_values=True)}


def tail(url: str) -> str:
    """The end of a URL that stays when the rest leads to the sandbox: its query, and the fragment of a page that routes
    in the browser."""
    parts = urlsplit(url)
    return (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if routed_in_browser(url) else "")


def routed_in_browser(url: str) -> bool:
    """Whether the provider's page reads the parameters after `#/`."""
    return urlsplit(url).fragment.startswith("/")
