"""The GraphQL face: types, queries, mutations, limits and masking. Each field is one line into a resolver.

`Executor` in `execution.py` is the door: both interfaces come in by it.
"""
