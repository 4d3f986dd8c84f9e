"""`tendon providers schema`: prints the JSON Schema of catalogue files, for editors."""

from __future__ import annotations

import json

from gateway.output import print_result
from providers.entry.json_schema import entry_schema


def run() -> None:
    print_result(json.dumps(entry_schema(), indent=2, ensure_ascii=False))
