"""The outside world: a strict, scriptable OAuth 2 provider of our own that speaks any catalogue entry's dialect."""
