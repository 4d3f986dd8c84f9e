"""The REST shim: one operation document and one row in the route table per route, the table of statuses and the
OpenAPI document. No rule of the domain lives here; each route runs its document through the schema.

How HTTP is read and answered (`reading`, `answers`, `problems`) lives here too; `/graphql` shares it.
"""
