"""How data travels: strict JSON, URIs, waiting for others, and the HTTP client, which is the one way to other systems.
Imports no other package of ours."""
