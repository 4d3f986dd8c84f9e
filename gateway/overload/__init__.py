"""Overload: who gets in when not everybody can, and how much one caller may ask for.

`admission.py` stands in front of the app and turns away what there is no place for (`places.py`) in the format of its
interface, before anything is spent on it. `rate.py` counts each caller's operations. `gateway/http11/`
bounds what comes before a request exists: connections (`files.py`), and the time that a head or a body may take.
"""
