"""A strict, scriptable OAuth 2 provider for development and tests, which imitates the provider of any catalogue entry.

It stands for the outside world, so it imports nothing of Tendon.
"""
