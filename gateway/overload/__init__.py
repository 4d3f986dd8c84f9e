"""Overload: which requests are admitted when there are too many, and how many operations one caller may ask for.

`admission.py` limits the requests that run at once. It answers 503, in the format of the interface, to those for which
it has no slot, before anything else is spent on them. `rate.py` counts each caller's operations.
`gateway/http11/` limits what comes before a request exists: connections (`file_limit.py`), and the time that a head or
a body may take.
"""
