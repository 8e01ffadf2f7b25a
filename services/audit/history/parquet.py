"""The auditor's export as Parquet files: their columns, and how rows get into them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from postavka.kernel.parquet import pa, pq

ROWS = 20_000
"""Of a group in a file."""

RECORDS = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("ms", tz="UTC")),
        ("key", pa.string()),
        ("type", pa.string()),
        ("subject", pa.string()),
        ("source", pa.string()),
        ("id", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("clock", pa.int64()),
        ("position", pa.int64()),
        ("causation", pa.string()),
        ("correlation", pa.string()),
        ("input", pa.string()),
        ("headers", pa.list_(pa.list_(pa.string()))),
        ("value", pa.string()),
        ("value_base64", pa.string()),
    ]
)
DEAD_LETTERS = pa.schema(
    [
        ("stage", pa.string()),
        ("number", pa.int64()),
        ("code", pa.string()),
        ("reason", pa.string()),
        ("received_at", pa.timestamp("us", tz="UTC")),
        ("status", pa.string()),
        ("request", pa.string()),
        *RECORDS,
    ]
)


class ParquetFile:
    """A Parquet file of rows, written in groups; for `with`."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, row: dict[str, Any]) -> None:
        """Add a row."""
        self._rows.append(row)
        if len(self._rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        columns = {name: [row[name] for row in self._rows] for name in self._schema.names}
        self._writer.write_table(pa.table(columns, self._schema))
        self._rows.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._rows:
            self._flush()
        self._writer.close()
