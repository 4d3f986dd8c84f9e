"""Everything about providers: the catalogue that describes them, and the OAuth client that sends requests to them.

`catalogue/` contains one TOML file per provider, which `catalogue.py` reads into the tables of `entry/`, and
`adapters/` what no table can express. `credentials.py` has our credentials at a provider, and `authorization.py` builds
the URL that sends a user there. `oauth_client.py` exchanges the code for tokens, refreshes them and looks up the user's
account, and `revocation.py` revokes tokens; `token_answer.py` and `error_answer.py` read the answers.
`refresh_time.py` says when tokens are refreshed. A request passes `provider_limit.py` first, so that a provider that
hangs slows down no other. The errors are in `errors.py`.
"""
