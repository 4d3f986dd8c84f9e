"""The worker: runs what is due beside requests. No business rule, and no SQL on Tendon's tables.

Tendon's own tables decide what is due, who works on it and what came of it. The engine, dbos, only runs it: it spreads
the work over processes and limits how much of it runs at a time. Nothing is lost with what the engine stores.

kinds.py     the kinds of work: what is due and how it is run are functions of `resolvers`
worker.py    one worker, from its start to its end
ticker.py    asks each kind every few seconds what is due, and starts it
reports.py   says in the log that the worker is alive, and whether its database is away
units.py     runs one piece of work, with a time limit, and logs what went wrong
engine.py    the engine: the only module that imports dbos
engine_log.py, engine_postgres.py, engine_sqlite.py
             what the engine logs, and how it is connected to each database
unpickling.py
             keeps the process from loading pickles
"""
