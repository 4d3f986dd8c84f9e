"""What Tendon stores: tables with their statements, migrations, and the vault that encrypts tokens.

Claims and uniqueness are decided here, in the database, never in the memory of a process.
"""
