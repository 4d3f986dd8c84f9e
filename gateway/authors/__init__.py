"""Tools for the authors of catalogue entries.

`walk.py` walks through a flow with a real provider or the sandbox, and uses the rest: `loopback.py` receives the
redirect, `tracing.py` keeps what is sent and answered, `shown.py` prints it without secrets, `comparison.py` compares
it with the entry, and `samples.py` records it, with the values replaced by `redaction.py`.
"""
