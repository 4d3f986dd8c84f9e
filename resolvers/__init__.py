"""What Tendon does, as plain async functions over a context: authorize, complete, list. No HTTP, no GraphQL.

The way of a callback begins in `complete.py`.
"""
