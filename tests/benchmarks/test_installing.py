from __future__ import annotations

from benchmarks.installing import forget_options_of_python


def test_measured_processes_get_no_options_of_python_from_the_shell() -> None:
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PATH": "/bin", "MYPYTHON": "3"}
    forget_options_of_python(environment)
    assert environment == {"PATH": "/bin", "MYPYTHON": "3"}
