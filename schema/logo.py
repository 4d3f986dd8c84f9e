"""The mark that stands for a provider: its initials on a square in a colour of its own. No vendor's art."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import quote

_WORD: Final = re.compile(r"[^\W_]+")
# The colour is so dark that white text can be read on every hue (WCAG 2.2, success criterion 1.4.3).
_SVG: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">'
    '<rect width="64" height="64" rx="14" fill="hsl({},60%,28%)"/>'
    '<text x="32" y="42" fill="#fff" font-family="sans-serif" font-size="28" text-anchor="middle">{}</text></svg>'
)


# As many as a large catalogue has providers.
@lru_cache(maxsize=512)
def logo(slug: str, name: str) -> str:
    """An SVG image as a `data:` URI, the same in every installation for the same slug and name."""
    image = _SVG.format(_hue(slug), _initials(name) or _initials(slug))
    return "data:image/svg+xml," + quote(image, safe="/:=,")


def _initials(name: str) -> str:
    """Those of the first two words: letters and digits, which need no escaping."""
    return "".join(word[0] for word in _WORD.findall(name)[:2]).upper()


def _hue(slug: str) -> int:
    """In degrees."""
    return int.from_bytes(sha256(slug.encode()).digest()[:4]) % 360
