"""Everything about providers: the catalogue that describes them, and the OAuth client that sends requests to them.

`catalogue/` contains one TOML file per provider, which `catalogue.py` reads into the models of `provider.py` and
`entry/error_rule.py`. `authorization.py` builds the URL that sends a user to a provider. `oauth_client.py` exchanges the code
for tokens, refreshes them and looks up the user's account, and `revocation.py` revokes tokens; `token_answer.py` and
`error_answer.py` read the answers. `refresh_time.py` says when tokens are refreshed. A request passes
`provider_limit.py` first, so that a provider that hangs slows down no other. The errors are in `errors.py`.
"""
