"""Overload: which requests are admitted when there are too many, and how many operations one caller may ask for.

`admission.py` stands in front of the app. It answers 503, in the format of the interface, to requests for which
`concurrency.py` has no slot, before anything else is spent on them. `rate.py` counts each caller's operations.
`gateway/http11/` limits what comes before a request exists: connections (`file_limit.py`), and the time that a head or
a body may take.
"""
