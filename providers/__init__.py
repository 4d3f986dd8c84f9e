"""What we know of the outside: the catalogue of providers, and the OAuth client that talks to them.

`catalogue/` holds one TOML file a provider, `catalogue.py` reads them. A code becomes tokens in `exchange.py`, which
sends through `http.py` and reads the answer with `token_answer.py`; `revocation.py` gives tokens back. Who asks passes
`turnstile.py` first, so that a provider that hangs slows no other. What goes wrong out there is in `errors.py`.
"""
