"""What Tendon does, as plain async functions over a context: authorize, complete, list. No HTTP, no GraphQL.

How a callback becomes a connection is told in `callback/__init__.py`.
"""
