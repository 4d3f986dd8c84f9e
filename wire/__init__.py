"""How bytes and addresses from outside are read, and how long they are waited for, the same everywhere: strict JSON,
URIs and time limits. Imports no other package of ours."""
