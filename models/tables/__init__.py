"""The tables, one a module, as the ORM describes them. Migrations are made from these.

Only migrations import them, so that no other process loads the ORM. The statements that run on a table are in `models`,
in the module of the table's name.
"""
