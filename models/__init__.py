"""What Tendon remembers: tables, migrations and the vault that seals tokens. Claims and uniqueness live here,
in the database, never in a process's memory."""
