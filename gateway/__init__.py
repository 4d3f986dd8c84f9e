"""Where everything is put together: settings, bearer verification, the ASGI app, the command line. No business rule.

How `tendon serve` starts (`cli.py`, then `commands/serve.py`):

1. `settings/` reads and checks the settings.
2. `app.py` builds the app. It opens nothing, so that workers can be forked; `dev_sandbox.py` adds the sandbox in dev
   mode.
3. `database_check.py` looks whether the database can be used.
4. `server.py` listens, by `address.py`, and runs the app in this process; with more workers, `supervisor.py` forks and
   watches them.
5. In each process, the app's lifespan opens `resources.py` and the bearer verifier, and starts `health.py`;
   `startup_log.py` writes what the log says first. Then requests are served: `http11/`, `edge.py`, `overload/`.
"""
