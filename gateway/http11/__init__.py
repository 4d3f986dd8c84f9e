"""HTTP/1.1 on a connection (RFC 9112), in front of uvicorn's request handling.

`head.py` reads a request's head and decides how its body is framed, `body.py` reads bodies. `protocol.py` is the
connection: it hands complete heads to uvicorn, which runs the app, and sets the limits on time and on connections.
`raw_responses.py` answers where no request can be run.
"""
