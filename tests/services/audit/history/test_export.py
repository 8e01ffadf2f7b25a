"""Dead letters as files for others' tools: pandas, pyarrow and DuckDB read them, and what a record says of itself stays
apart from what the stage found out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pandas
import pyarrow.parquet as pq
import pytest

from postavka.kernel.log.record import Record
from services.audit.history.export import Format, row_of_letter, writer_of
from services.audit.history.parquet import DEAD_LETTERS, RECORDS
from services.audit.reading import DeadLetterRow

REQUEST = UUID("7927d160-0f0c-4e3c-8f2a-1a1f0e6f7c55")
OWN = b"urn:uuid:7927D160-0F0C-4E3C-8F2A-1A1F0E6F7C55"
ENVELOPE = (
    ("ce_specversion", b"1.0"),
    ("ce_type", b"DistributorConfirmation.v1"),
    ("ce_source", b"/dist-north"),
    ("ce_id", b"north-17"),
    ("ce_time", b"2026-11-30T09:00:00Z"),
    ("ce_subject", OWN),
)
WITHOUT_TIME = tuple(pair for pair in ENVELOPE if pair[0] != "ce_time")


def letter(headers: tuple[tuple[str, bytes | None], ...], subject: UUID | None = REQUEST) -> DeadLetterRow:
    record = Record("distributors.dist-north.confirmations", 3, 41, 1_790_000_000_000, b"key", b"\xff{", headers)
    return DeadLetterRow("billing", 12, record, "wrong-key", "the key is no id", datetime.now(UTC), "open", subject)


def written(folder: Path, form: Format, *letters: DeadLetterRow) -> list[dict[str, Any]]:
    path = folder / f"dead-letters.{form}"
    with writer_of(form, path, dead_letters=True) as writer:
        for each in letters:
            writer.write(row_of_letter(each))
    if form == "jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    with duckdb.connect() as questions:
        found = questions.execute(f"SELECT * FROM read_parquet('{path}')")  # noqa: S608
        assert [column[0] for column in found.description] == DEAD_LETTERS.names
    assert pandas.read_parquet(path)["number"].tolist() == [12] * len(letters)
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_record_s_own_subject_stands_beside_the_request_it_was_found_to_be_about(tmp_path: Path, form: Format):
    whole, partly = written(tmp_path, form, letter(ENVELOPE), letter(WITHOUT_TIME))
    for row in (whole, partly):
        assert (row["request"], row["subject"]) == (str(REQUEST), OWN.decode())
        assert (row["stage"], row["code"], row["offset"]) == ("billing", "wrong-key", 41)
        assert (row["type"], row["source"], row["id"]) == ("DistributorConfirmation.v1", "/dist-north", "north-17")
    assert whole["time"] is not None
    assert partly.get("time") is None


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_record_without_headers_and_of_no_request_has_neither(tmp_path: Path, form: Format):
    (row,) = written(tmp_path, form, letter((), subject=None))
    assert (row.get("request"), row.get("subject"), row.get("source"), row.get("id")) == (None,) * 4
    assert row["value_base64"] == "/3s="


@pytest.mark.parametrize("schema", [RECORDS, DEAD_LETTERS], ids=["records", "dead letters"])
def test_no_column_is_there_twice(schema: Any):
    assert len(set(schema.names)) == len(schema.names)
