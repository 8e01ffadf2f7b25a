"""Parquet files, by the package pyarrow. It takes as much as a quarter of everything else, and only copies and
some exports need it: whoever imports this without it is told what installs it."""

from __future__ import annotations

from postavka.kernel.errors import UserError

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError:
    raise UserError(
        "this reads and writes Parquet files, for which pyarrow is missing: `make copies` installs it "
        "(elsewhere: pip install 'postavka[copies]')"
    ) from None

__all__ = ("pa", "pq")
