"""`tendon providers redact`: prints a JSON document with made-up values in place of what is secret or personal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gateway.authors.redaction import Redactor
from gateway.output import print_result
from gateway.settings import SettingsError


def run(file: Path) -> None:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        document = Redactor().document(json.loads(text))
    except OSError as fault:
        raise SettingsError(f"{file}: can't be read: {fault.strerror}") from None
    except RecursionError:
        raise SettingsError(f"{file}: is nested too deeply") from None
    except ValueError:
        raise SettingsError(f"{file}: is not JSON") from None
    print_result(json.dumps(document, indent=2))
