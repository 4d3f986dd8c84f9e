"""Compiled plans: an operation that was validated becomes plain functions, so that running it walks no document.

A plan is made of the schema alone and answers as graphql-core's executor would. That executor runs what plans don't
cover, which is known when they are compiled, and what has variables that are not plainly valid, which is known before
anything runs.

- `fields`: which Python function gives a field's value,
- `inputs`: variables and arguments as these functions take them,
- `outputs`: what they gave, made ready for JSON, and the errors of it,
- `plan`: the root fields of an operation, one after the other or side by side.
"""

from schema.plans.plan import Plan, Plans

__all__ = ["Plan", "Plans"]
