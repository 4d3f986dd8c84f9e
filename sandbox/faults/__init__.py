"""Faults on demand: each a small function that answers one request in the provider's place.

"Processed" tells whether the request had its effect (code spent, tokens issued) before the answer was spoiled.
`seconds` is the number a plan may carry.

| fault              | processed | what the client sees                                                              |
|--------------------|-----------|-----------------------------------------------------------------------------------|
| hang               | no        | nothing, until it goes away or `seconds` are over (then the line is cut)          |
| slow               | yes       | the right answer after `seconds` (2)                                              |
| drip               | no        | 200 and one byte of white space every `seconds` (0.2), for ever                   |
| drop               | no        | the connection closed after the whole request was read                            |
| lost               | yes       | the connection closed without an answer                                           |
| huge               | no        | 200 and a token that is 1 GB long                                                 |
| gzip_bomb          | no        | 200, a few hundred KB of gzip that become 256 MB                                  |
| deep_json          | no        | 200, arrays nested 100,000 deep                                                   |
| big_headers        | no        | 200 with 1 MB of headers                                                          |
| status_500         | no        | 500, text                                                                         |
| status_503         | no        | 503 with Retry-After `seconds` (1)                                                |
| status_429         | no        | 429 with Retry-After `seconds` (1)                                                |
| slow_down          | no        | too many requests in the dialect's form, with `seconds` (1) to wait; 429 in most   |
| passing            | no        | temporary error in the dialect's form, with `seconds` (1) to wait; 503 in most     |
| html               | no        | 200, a page                                                                       |
| not_json           | no        | 200 application/json, cut off in the middle                                       |
| empty              | no        | 200, no body                                                                      |
| redirect           | no        | 302 to `elsewhere`, where a call would be logged as endpoint `elsewhere`          |
| opaque_400         | no        | 400 text/plain                                                                    |
| error_200          | no        | 200 {"error": "invalid_grant"}                                                    |
| error_echo         | no        | 400; body and headers repeat every parameter and the Authorization header         |
| error_code_echo    | no        | 400 whose `error` itself is the code or token that was sent                       |
| invalid_client     | no        | that error, as the dialect puts errors; 401 in most                               |
| invalid_grant      | no        | that error                                                                        |
| unauthorized_client| no        | that error                                                                        |
| access_denied      | no        | that error                                                                        |
| no_access_token    | yes       | the right answer without access_token                                             |
| wrong_types        | yes       | … with a number as access_token                                                   |
| expires_negative   | yes       | … with a life of -3600                                                            |
| expires_huge       | yes       | … with a life of 10^30                                                            |
| expires_string     | yes       | … with the text "3600" as life                                                    |
| expires_bool       | yes       | … with true as life                                                               |
| duplicate_keys     | yes       | … with access_token twice, another value first                                    |
| token_type_mac     | yes       | … with token_type "mac"                                                           |
| no_refresh         | yes       | … without refresh_token                                                           |
| narrow_scope       | yes       | … with the last scope left out                                                    |
"""

from __future__ import annotations

from sandbox.faults import bends, floods, line, refusals
from sandbox.faults.fault import Fault

FAULTS: dict[str, Fault] = {**line.FAULTS, **floods.FAULTS, **refusals.FAULTS, **bends.FAULTS}
