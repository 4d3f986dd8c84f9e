"""The REST interface: each route is a row with an operation document, which runs through the schema. No business rule
lives here.

How requests are read and responses written (`json_http`) is shared with `/graphql`.
"""
