from __future__ import annotations

from benchmarks.callgrind import read_functions

# Two libraries and three functions. `main` calls `work` twice, which costs 700, and `help` of the other library.
_OUTPUT = """\
# callgrind format
version: 1
positions: line
events: Ir
summary: 1023

ob=(1) /lib/first.so
fl=(1) main.c
fn=(1) main
10 100
+2 20
cfn=(2) work
calls=2 30
12 700
cob=(2) /lib/second.so
cfi=(2) other.c
cfn=(3) help
calls=1 5
13 200
* 3

fn=(2)
30 300

fn=(4) work'2
30 400

ob=(2)
fl=(2)
fn=(3)
5 150
-1 50

totals: 1023
"""


def test_a_function_has_its_own_instructions_and_not_those_of_functions_that_it_calls() -> None:
    assert read_functions(_OUTPUT) == {
        ("/lib/first.so", "main"): 123,
        ("/lib/first.so", "work"): 700,
        ("/lib/second.so", "help"): 200,
    }


def test_the_functions_add_up_to_the_total() -> None:
    assert read_functions(_OUTPUT).total() == 1023
