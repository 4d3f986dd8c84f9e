"""The HTTP/1.1 client: how Tendon reaches any other system.

`client.py` sends a request and returns the response, within a deadline. `connections.py` opens connections to addresses
that `addresses.py` allows, and uses each for one request after the other. `response_reader.py` reads a response as it
arrives, `response.py` holds it once it is complete. The errors are in `errors.py`.
"""
