from __future__ import annotations

import json
import sysconfig

from benchmarks.breakdown_report import as_text, difference, of_calls, of_instructions, package, short
from benchmarks.installing import ROOT


def test_calls_are_those_of_one_request_and_of_all_functions_with_that_name() -> None:
    found = [
        (f"{ROOT}/wire/paths.py", "read", [4, 40, 8]),
        (f"{ROOT}/wire/paths.py", "read", [2, 20, 0]),
        (f"{ROOT}/wire/uris.py", "parse", [2, 10, 2]),
    ]
    tables = of_calls(found, 2)
    assert tables["packages"] == {"wire": [4, 35, 5]}
    assert tables["functions of Python"] == {"wire/paths.py: read": [3, 30, 4], "wire/uris.py: parse": [1, 5, 1]}


def test_instructions_of_a_library_are_those_of_its_functions() -> None:
    tables = of_instructions({("/lib/libssl.so", "a"): 1.5, ("/lib/libssl.so", "b"): 2, ("/lib/libc.so", "a"): 3})
    assert tables["libraries"] == {"libssl.so": [3.5], "libc.so": [3]}
    assert tables["functions of C"] == {"libssl.so: a": [1.5], "libssl.so: b": [2], "libc.so: a": [3]}


def test_a_difference_has_what_was_added_what_is_gone_and_nothing_else() -> None:
    before = {"libraries": {"gone": [5.0], "same": [7.0], "less": [3.0]}}
    after = {"libraries": {"same": [7.01], "less": [1.0], "new": [4.0]}}
    # As it is read from a file.
    before = json.loads(json.dumps(before))
    assert difference(after, before) == {"libraries": {"gone": [-5.0], "less": [-2.0], "new": [4.0]}}


def test_a_table_begins_with_its_sum_and_the_rows_that_weigh_most() -> None:
    table = {"calls often": [9.0, 10.0, 0.0], "takes long": [1.0, 500.0, 0.0], "is gone": [0.0, -700.0, 0.0]}
    _, *rows = as_text({"packages": table}, count=2)
    assert [row[:80].strip() for row in rows] == ["all", "is gone", "takes long"]
    assert rows[0].split()[1:] == ["10.0", "-190.0", "0.0"]


def test_an_empty_table_has_no_rows() -> None:
    assert len([*as_text({"libraries": {}}, count=5)]) == 2


def test_files_are_named_from_their_package_on() -> None:
    standard = sysconfig.get_path("stdlib")
    assert short(f"{ROOT}/wire/http/client.py") == "wire/http/client.py"
    assert short(f"{standard}/json/encoder.py") == "json/encoder.py"
    assert short(f"{standard}/site-packages/uvicorn/server.py") == "uvicorn/server.py"
    assert [package(file) for file in (f"{ROOT}/wire/http/client.py", f"{standard}/uuid.py")] == ["wire", "uuid"]
