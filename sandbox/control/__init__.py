"""The control API under `/_control/`, with which scripts inspect and control the provider. JSON in, JSON out.

bodies.py  what it accepts; GET schema returns it as JSON Schema
http.py    how requests are read, checked and answered
views.py   what it shows of tokens and grants
routes.py  what each call does

| call                 | does                                                                                          |
|----------------------|-----------------------------------------------------------------------------------------------|
| GET, DELETE calls    | lists all calls in order, filtered by the fields in the query, and ?after= a `seq` / clears   |
| GET, DELETE faults   | {"names", "planned"} / clears the plan, and releases what is held                             |
| POST faults          | plans a fault, or an answer to send, for calls to an endpoint                                 |
| POST release         | lets held calls go on: {"released": how many}                                                 |
| GET tokens           | every token with its id, state, family, grant …, filtered by ?slug=, ?account=, ?kind=        |
| POST accepts         | {"access_token"}: {"accepts": whether the provider would accept it now}                       |
| GET grants           | every grant with its families, filtered by ?slug=, ?account=                                  |
| POST grants/end      | ends grants, or one family, from the provider's side: {"ended": the families}                 |
| POST grants/narrow   | withdraws scopes: {"narrowed": the families}. Later tokens and uses have only these           |
| GET, PUT settings    | by slug, with ?account= as they apply to it / changes some of all, one provider, one account  |
| GET schema           | JSON Schema of the bodies                                                                     |
| POST reset           | restores the initial state                                                                    |
"""

from sandbox.control.routes import Control

__all__ = ["Control"]
