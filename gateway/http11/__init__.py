"""HTTP/1.1 on a connection (RFC 9112), under uvicorn's server.

`head.py` reads a request's head and decides how its body is framed, `bodies.py` reads bodies. `protocol.py` opens a
connection, reads requests, runs the app, and writes responses. `connection.py` limits time and ends it.
`raw_responses.py` answers where no request can be run.
"""
