"""How bytes and addresses from outside are read, the same everywhere: strict JSON and URIs. Knows no other room."""
