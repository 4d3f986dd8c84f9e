"""The HTTP/1.1 client: how Tendon reaches any other system.

`client.py` sends a request and returns the response, within a deadline. A connection is opened by `connector.py` to an
address that `addresses.py` allows, kept by `pool.py`, and used for one request after the other by `connection.py`.
`response_reader.py` reads a response as it arrives, `response.py` holds it once it is complete. The errors are in
`errors.py`.
"""
