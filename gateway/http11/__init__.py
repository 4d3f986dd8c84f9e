"""HTTP/1.1 on a connection (RFC 9112), under uvicorn's server.

`head.py` reads a request's head and decides how its body is framed, `chunked.py` reads chunked bodies. `protocol.py`
reads a request with them, runs the app, and writes its response. `connection.py` limits time and the number of
connections, and ends them. `raw_responses.py` answers where no request can be run.
"""
