"""Everything about providers: the catalogue that describes them, and the OAuth client that sends requests to them.

`catalogue/` contains one TOML file per provider, which `catalogue.py` reads into the models of `provider.py`.
`authorization.py` builds the URL that sends a user to a provider. `oauth_client.py` exchanges the code for tokens,
looks up the user's account and revokes tokens; `token_answer.py` and `error_answer.py` read the answers. A request
passes `provider_limit.py` first, so that a provider that hangs slows down no other. The errors are in `errors.py`.
"""
