"""`python -m services.desk`: reads orders, writes kits."""

from __future__ import annotations

from postavka.kernel.projection.worker import main
from services.desk.orders import GROUP, NAME, Orders

GATHER_MS = 150

if __name__ == "__main__":
    main(NAME, Orders, gather_ms=GATHER_MS, group=GROUP)
