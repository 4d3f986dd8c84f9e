"""An entry of the catalogue, as in its file: the tables of the format, and how their values are read and checked.

`provider.py` is the whole of an entry, and the other modules have its tables. `docs/catalogue.md` describes the format.
"""
