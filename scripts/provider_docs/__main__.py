"""`python -m scripts.provider_docs` writes the pages."""

from scripts.provider_docs import write

write()
