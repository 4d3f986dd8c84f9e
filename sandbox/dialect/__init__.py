"""A provider's dialect of OAuth, read from its catalogue entry; and the entry with the sandbox's URLs.

entry.py      the whole dialect
calls.py      revocation, and what is asked with an access token
answers.py    what shows a success, and the provider's own errors
templates.py  text with placeholders
tables.py     how the entry's tables are read
rebasing.py   the entry with other URLs, and the paths of the sandbox
"""

from sandbox.dialect.answers import ErrorForm, Success, find_form
from sandbox.dialect.calls import BearerCall, Revocation
from sandbox.dialect.entry import Dialect, read_dialects
from sandbox.dialect.rebasing import ROOT_SLUG, path, rebase
from sandbox.dialect.tables import DialectError
from sandbox.dialect.templates import ACCOUNT

__all__ = [
    "ACCOUNT",
    "ROOT_SLUG",
    "BearerCall",
    "Dialect",
    "DialectError",
    "ErrorForm",
    "Revocation",
    "Success",
    "find_form",
    "path",
    "read_dialects",
    "rebase",
]
