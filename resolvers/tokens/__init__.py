"""Access tokens of connections, for the services that fetch data with them.

- Issue (`issue.py`). A service asks for a connection's access token. If it has enough time left, it is read from the
  row; else it is refreshed first.
- Current (`current.py`). All callers in a process that need new tokens of a connection wait for one refresh, and
  processes wait for each other by reading the row.
- Refresh (`refresh.py`). One process at a time has the lease, sends the refresh token, and stores the new tokens
  (`storing.py`) before anybody uses them.
- Ahead (`ahead.py`). The worker refreshes connections that nobody asks for, where they would end otherwise.
"""
