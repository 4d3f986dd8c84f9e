"""Compiled plans: a valid operation becomes plain functions, so that running it does not walk the document.

A plan returns what graphql-core's executor would. The executor runs whatever plans don't cover: some operations, which
is known when they are compiled, and variables that are perhaps not valid, which is known before anything runs.

- `fields`: the Python function that resolves a field,
- `inputs`: variables and arguments in the form that resolvers take,
- `outputs`: fields, their values in the form that JSON takes, and errors,
- `selections`: the fields that a document selects, combined,
- `plan`: the root fields of an operation, one after the other or concurrently.
"""

from schema.plans.plan import Plan, Plans

__all__ = ["Plan", "Plans"]
