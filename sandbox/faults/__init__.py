"""The faults that a script can plan. Each is a function that answers one request instead of the provider.

"Processed" tells whether the request takes effect (the code is used, tokens are issued) although the client doesn't get
the correct answer. A request that is processed later takes effect even if the client has gone. `seconds` is the number
that was planned with the fault; in brackets is its default.

connection.py  delays, and connections that are closed
oversized.py   answers that are too large
replaced.py    another answer, without processing the request
altered.py     the correct answer with an altered token object

| fault              | processed | what the client sees                                                              |
|--------------------|-----------|-----------------------------------------------------------------------------------|
| hang               | no        | nothing, until it disconnects or `seconds` are over, which closes the connection  |
| slow               | yes       | the correct answer after `seconds` (2)                                            |
| late               | later     | the same, but the request is processed only then                                  |
| held               | later     | the correct answer, once a script releases the call; it is processed then         |
| held_answer        | yes       | the correct answer, once a script releases the call                               |
| drip               | no        | 200 and one byte of white space every `seconds` (0.2), without end                |
| drop               | no        | the connection is closed after the whole request was read                         |
| lost               | yes       | the connection is closed without an answer                                        |
| huge               | no        | 200 and a token of 1 GB                                                           |
| gzip_bomb          | no        | 200, a few hundred KB of gzip that decompress to 256 MB                           |
| deep_json          | no        | 200, arrays nested 100,000 deep                                                   |
| big_headers        | no        | 200 with 1 MB of headers                                                          |
| status_500         | no        | 500, text                                                                         |
| status_503         | no        | 503 with Retry-After `seconds` (1)                                                |
| status_429         | no        | 429 with Retry-After `seconds` (1)                                                |
| slow_down          | no        | too many requests in the provider's form, with `seconds` (1) to wait; usually 429  |
| passing            | no        | temporary error in the provider's form, with `seconds` (1) to wait; usually 503    |
| html               | no        | 200, an HTML page                                                                 |
| not_json           | no        | 200 application/json, truncated                                                   |
| empty              | no        | 200, no body                                                                      |
| redirect           | no        | 302 to `elsewhere`; a call there is logged as endpoint `elsewhere`                |
| opaque_400         | no        | 400 text/plain                                                                    |
| entry_error        | no        | the error of row `row` (0) of the entry's own errors, with `seconds` (1) to wait  |
| error_200          | no        | 200 {"error": "invalid_grant"}                                                    |
| error_echo         | no        | 400; body and headers repeat every parameter and the header fields with secrets   |
| error_code_echo    | no        | 400 whose `error` is the code or token that was sent                              |
| invalid_client     | no        | that error in the provider's form; usually 401                                    |
| invalid_grant      | no        | that error                                                                        |
| unauthorized_client| no        | that error                                                                        |
| access_denied      | no        | that error                                                                        |
| no_access_token    | yes       | the correct answer without access_token                                           |
| wrong_types        | yes       | … with a number as access_token                                                   |
| expires_negative   | yes       | … with a lifetime of -3600                                                        |
| expires_huge       | yes       | … with a lifetime of 10^30                                                        |
| expires_string     | yes       | … with the text "3600" as lifetime                                                |
| expires_bool       | yes       | … with true as lifetime                                                           |
| duplicate_keys     | yes       | … with access_token twice, another value first                                    |
| token_type_mac     | yes       | … with token_type "mac"                                                           |
| no_refresh         | yes       | … without refresh_token                                                           |
| narrow_scope       | yes       | … without the last scope                                                          |
"""

from __future__ import annotations

from sandbox.endpoint_request import Fault
from sandbox.faults import altered, connection, oversized, replaced

FAULTS: dict[str, Fault] = {**connection.FAULTS, **oversized.FAULTS, **replaced.FAULTS, **altered.FAULTS}
