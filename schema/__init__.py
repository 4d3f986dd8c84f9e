"""The GraphQL schema: types, queries, mutations, limits and masking. Each field is one line that calls a resolver.

Both interfaces run their operations through `Executor` in `execution.py`.
"""
