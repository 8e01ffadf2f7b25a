"""`python -m services.cabinet`: a worker of the cabinet projection."""

from postavka.kernel.projection.worker import main
from services.cabinet.projection import Cabinet
from services.cabinet.table import SCHEMA

GATHER_MS = 100
"""Somebody looks at the page, and does not notice."""

if __name__ == "__main__":
    main(SCHEMA, Cabinet, gather_ms=GATHER_MS)
