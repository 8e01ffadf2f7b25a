"""A person is forgotten while everything works: the log stays as it is, and nobody can read the data any more."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pyarrow.parquet as pq

from events.commands import SubmitRequest
from events.request import REQUEST_TYPE
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.outbox.command_sender import Sender
from postavka.kernel.runtime.database import binaries
from postavka.kernel.settings import PARTITIONS
from tests.system.conftest import System, wait_until

EMAIL, PHONE = "canary-kenar@forget.example", "+7 495 123-45-67"
CONTACT = ("Ветрова", "vetrova@lukomor.example")
"""Contact person lukomor-1 of the sample data."""
TOPICS = ("commands.requests", "request.events", "approval.events", "billing.events", "shipping.events")


def test_a_person_is_forgotten_without_touching_the_log(system: System):
    request = uuid4()
    sender = Sender(system.config, "/tests")
    sender.send(
        "commands.requests",
        str(request),
        SubmitRequest(
            request_id=request,
            partner_id="lukomor",
            submitted_by="lukomor-user",
            request_type=REQUEST_TYPE,
            contact_id="lukomor-1",
            base_delivery_id="upp-13",
            registration_number="1000001",
            product_id="upp-extension-12",
            inn="7707083893",
            buyer="АО «Завод точных весов»",
            kpp="773601001",
            client_email=EMAIL,
            client_phone=PHONE,
        ),
    )
    sender.flush()
    wait_until(lambda: "Approved" in system.cli("audit", "history", str(request), "--json"), "it is approved")
    before = on_the_log(system, request)
    for text in (EMAIL, PHONE, *CONTACT):
        assert text.encode() not in b"\n".join(before.values())
        assert text in system.cli("audit", "history", str(request), "--json")
    shown = system.cli("cabinet", "show", "--partner", "lukomor", "--json")
    assert EMAIL in shown
    assert CONTACT[1] in shown

    system.cli("privacy", "erase", PHONE.replace("+7", "8"), "--by", "dpo-1", "--reason", "по заявлению")
    for text in (
        system.cli("audit", "history", str(request), "--json"),
        system.cli("cabinet", "show", "--partner", "lukomor", "--json"),
    ):
        assert EMAIL not in text
        assert PHONE not in text
        assert "стёрто" in text
        assert CONTACT[1] in text
    after = on_the_log(system, request)
    assert {place: after.get(place) for place in before} == before, "what came since may be more, nothing is other"
    assert "по заявлению" in system.cli("privacy", "erased")
    system.cli("cabinet", "rebuild")
    assert EMAIL not in system.cli("cabinet", "show", "--partner", "lukomor", "--json")


def on_the_log(system: System, request: object) -> dict[str, bytes]:
    """Everything about the request, as it lies there, by coordinates."""
    places = dict.fromkeys(((topic, number) for topic in TOPICS for number in range(PARTITIONS)), 0)
    return {
        record.coordinates: record.value or b""
        for batch in read_records(system.config, places)
        for record in batch
        if record.key == str(request).encode()
    }


MARKED = {
    "client_email": "kanareyka@marked.example",
    "client_phone": "+7 499 765-43-21",
}
READER = ("Росина Елена Викторовна", "rosina@romashka-it.example")
"""Contact person romashka-2 of the sample data, who gets the letters of this test."""


def test_who_was_forgotten_is_found_in_no_table_topic_file_or_copy(system: System, tmp_path: Path):
    """Every personal field is filled in; letters are written and sent; then both persons are erased."""
    request = uuid4()
    sender = Sender(system.config, "/tests")
    sender.send(
        "commands.requests",
        str(request),
        SubmitRequest(
            request_id=request,
            partner_id="romashka-it",
            submitted_by="romashka-user",
            request_type=REQUEST_TYPE,
            contact_id="romashka-2",
            base_delivery_id="upp-13",
            registration_number="1000001",
            product_id="upp-extension-12",
            inn="7707083893",
            buyer="АО «Завод точных весов»",
            kpp="773601001",
            **MARKED,
        ),
    )
    sender.flush()
    marks = [*MARKED.values(), *READER, quote(READER[1])]

    def letters() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(system.cli("notices", "list", "--to", READER[1], "--json"))
        return found

    wait_until(lambda: {each["status"] for each in letters()} == {"sent"}, "the letter is sent")
    assert READER[1] in (system.launch.home / "mail" / "outbox.mbox").read_text()
    for person in (MARKED["client_email"], READER[1]):
        system.cli("privacy", "erase", person, "--by", "dpo-1", "--reason", "по заявлению", "--everybody")
    wait_until(lambda: not places(files(system.launch.home), marks), "files of this machine have forgotten them")
    assert letters() == []
    assert places(tables(system), marks) == []
    copy, keys = tmp_path / "copy", tmp_path / "keys"
    system.cli("backup", str(copy), "--keys", str(keys))
    readable = [*marks, request.hex, str(request), "PAR1", "PGDMP"]
    contents = [each for each in files(copy) if not each[0].endswith("manifest.json")]
    assert places(contents, readable) == [], "a copy is encrypted whole"
    key = (keys / "backup" / "backup.key").read_text().strip()
    in_it = [name for name, text in files(copy) if key.encode() in text or bytes.fromhex(key) in text]
    assert in_it == [], "and what opens it does not lie in it"
    opened = tmp_path / "opened"
    system.cli("restore", str(copy), "--keys", str(keys), "--plain", str(opened))
    assert str(request).encode() in b"".join(text for _, text in records(opened / "topics"))
    assert places(records(opened / "topics"), marks) == []
    assert places([("dump", restored(opened / "database.dump")), *files(opened)], marks) == []


def places(texts: Iterable[tuple[str, bytes]], marks: Sequence[str]) -> list[tuple[str, str]]:
    """Where a mark is found, however it is written."""
    spelled = {mark: (mark.encode(), json.dumps(mark)[1:-1].encode()) for mark in marks}
    return [(name, mark) for name, text in texts for mark, ways in spelled.items() if any(way in text for way in ways)]


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All files that are written here, but those of the servers, which are asked themselves."""
    for file in folder.rglob("*"):
        parts = file.relative_to(folder).parts
        if file.is_file() and parts[0] not in ("jars", "kafka", "postgres", "postgresql"):
            with suppress(FileNotFoundError):
                yield str(file), file.read_bytes()


def tables(system: System) -> Iterator[tuple[str, bytes]]:
    """Every row of every table."""
    with psycopg.connect(system.database_url) as connection:
        names = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for (name,) in names:
            for (row,) in connection.execute(f"SELECT to_jsonb(t)::text FROM {name} t"):  # noqa: S608
                yield name, str(row).encode()
        for (schema,) in connection.execute(
            "SELECT table_schema FROM information_schema.columns WHERE table_name = 'stored_events' AND "
            "column_name = 'state'"
        ).fetchall():
            for (state,) in connection.execute(f"SELECT state FROM {schema}.stored_events"):  # noqa: S608
                yield f"{schema}.stored_events", bytes(state)


def records(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every record of a copy: key, value, headers."""
    for file in folder.rglob("*.parquet"):
        for row in pq.read_table(file).to_pylist():
            yield file.name, b"\n".join([row["key"] or b"", row["value"] or b"", str(row["headers"]).encode()])


def restored(dump: Path) -> bytes:
    """A copy of the database as SQL."""
    return subprocess.run([binaries() / "pg_restore", "--file=-", dump], capture_output=True, check=True).stdout
