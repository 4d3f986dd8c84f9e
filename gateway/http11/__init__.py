"""HTTP/1.1 on a connection (RFC 9112), in front of uvicorn's request handling.

`head.py` reads a request's head and decides how its body is framed, `chunked.py` reads chunked bodies. `protocol.py` is
the connection: it hands heads and bodies to uvicorn, which runs the app, and limits time and the number of connections.
`raw_responses.py` answers where no request can be run.
"""
