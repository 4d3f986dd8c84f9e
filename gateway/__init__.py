"""Where everything is put together: settings, bearer verification, the ASGI app, the command line. No business rule."""
