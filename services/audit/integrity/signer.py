"""Follows the stages' topics, grows the tree of each, and signs checkpoints: `python -m services.audit`.

An event enters its tree when all before it have: positions have no gaps, so the tree is the log in its own order, from
whichever partition its events come. What the relay of the stage can't have written is noted as an oddity and left out.

A checkpoint is signed only if the tree still begins with what was signed last, in the database and in the evidence
folder: a log that was changed or cut is never signed over. Then the service says so and signs that log no more.

Rows of who looked and of dead letters are signed alike (`signed_tables`).

Only one such service is at work (a PostgreSQL advisory lock); another one waits.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from aiokafka.errors import KafkaError
from psycopg.sql import Identifier

from events.audit import CheckpointSigned
from events.envelope import rfc3339
from events.topics import CHECKPOINTS
from postavka.kernel.log.follower import Follower
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.log.topics import check_topics
from postavka.kernel.log.unreadable import is_marker, why_unreadable
from postavka.kernel.outbox.command_sender import Sender
from postavka.kernel.process import metrics
from postavka.kernel.process.logs import logger
from postavka.kernel.settings import PARTITIONS, Settings, database_url
from postavka.kernel.store.migration import require
from postavka.kernel.store.queries import load_queries
from services.audit.integrity import keys
from services.audit.integrity.evidence import EvidenceFiles
from services.audit.integrity.logs import LOGS, Foreign, digest_of, position_of, stage_of
from services.audit.integrity.merkle import Tree
from services.audit.integrity.signed_tables import TABLES, TAKEN_UP, EnteredRows, SignedTable, enter_rows, save_entered
from services.audit.integrity.store import (
    MIGRATIONS,
    SCHEMA,
    SignedCheckpoint,
    connect,
    newest_checkpoint,
    open_tree,
    read_followed,
    save,
    unpublished,
)
from services.audit.metrics import BROKEN, ODDITIES, UNSIGNED, UNSIGNED_SECONDS
from services.audit.settings import AuditSettings
from services.audit.verifier import GAP, NEXT_KEY, Refused, root_of

QUERIES = load_queries("services.audit")

log = logger(__name__)

SOURCE = "/postavka/audit"
MOST_RECORDS = 5_000
GATHER_MS = 1_000
"""Between two fetches while events flow: nobody waits for a leaf."""
RETRY_SECONDS = 0.5
"""After a fetch that failed."""
SAVE_SECONDS = 2.0
GAP_SECONDS = 30.0
"""How long a position must be missing, with events behind it, to be taken for a gap."""
CHANNEL = "postavka_audit_sign"
"""PostgreSQL's NOTIFY on this channel asks for checkpoints now."""

Place = tuple[str, int]


@dataclass(slots=True)
class FollowedLog:
    """One log: its tree, and events that wait for one before them."""

    tree: Tree
    waiting: dict[int, bytes] = field(default_factory=dict)
    """Position → leaf hash."""
    broken: str | None = None
    """Why it is signed no more."""
    signed: int = 0
    stuck_at: int = 0
    stuck_since: float = 0.0
    recovered: frozenset[bytes] = frozenset()
    """Of a table: leaves that its tree lacked and has from the evidence folder."""
    unsigned_since: float | None = None
    """Since when there is something that no checkpoint covers, by the monotonic clock."""


class Signer:
    """Everything the service holds; one thread. `step` again and again."""

    def __init__(
        self,
        config: Settings,
        audit: AuditSettings | None = None,
        names: Sequence[str] = LOGS,
        tables: Sequence[SignedTable] = TABLES,
    ) -> None:
        self.config = config
        self.names = names
        self.tables = {table.log: table for table in tables}
        self.audit = audit or AuditSettings()
        require(database_url(config), SCHEMA, MIGRATIONS)
        check_topics(config, [*names, CHECKPOINTS.name])
        self.key = keys.installation_key(config, self.audit)
        self.logs: dict[str, FollowedLog] = {}
        self.oddities = 0
        self.lag = 0
        """Records not read yet."""
        self.last_signed = time.monotonic()
        self.gap_seconds = GAP_SECONDS
        self._saved, self._unsaved = time.monotonic(), False
        self._read: dict[Place, deque[tuple[int, int]]] = {}
        """Offsets and positions of what was read and may still be waiting."""
        self._opened = ExitStack()
        """What is closed when the lock is let go."""
        self._session: psycopg.Connection[Any]
        self._reader: Follower
        self._sender: Sender

    def try_to_start(self) -> bool:
        """Take the lock and open everything; False while another service has it. Raises what says that a server is
        away; then nothing is open."""
        with ExitStack() as opened:
            session = self._session = opened.enter_context(closing(connect(self.config)))
            row = session.execute(QUERIES.lock).fetchone()
            if row is None or not row[0]:
                return False
            read_up_to = read_followed(session)
            places = [(name, partition) for name in self.names for partition in range(PARTITIONS)]
            start = {place: read_up_to.get(partition_name(*place), 0) for place in places}
            self._reader = opened.enter_context(Follower(self.config, start, GATHER_MS))
            self._read = {place: deque() for place in places}
            session.execute(f"LISTEN {CHANNEL}")
            self.logs = {name: FollowedLog(open_tree(session, name)) for name in (*self.names, *self.tables)}
            opened.callback(self._forget)
            for name, followed in self.logs.items():
                self._look_back(name, followed)
            self._sender = Sender(self.config, SOURCE)
            self._publish()
            self._opened = opened.pop_all()
        log.info("signing", key=str(self.key.verifier))
        return True

    def close(self) -> None:
        """Save what is in the tree, and close everything."""
        try:
            if self.logs:
                self._save()
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Close everything, the lock with it. What was not saved is read again."""
        self._opened.close()

    def _forget(self) -> None:
        self.logs = {}

    # Reading

    def step(self, seconds: float = 1.0) -> int:
        """Read what comes first within so many seconds, sign if it is time; returns how many records were read."""
        records = self._fetch(seconds)
        if records:
            metrics.RECORDS.labels(SCHEMA, "handled").inc(len(records))
            metrics.BATCH_RECORDS.labels(SCHEMA).observe(len(records))
        self._unsaved |= bool(records)
        for record in records:
            self._take(record)
        for name, followed in self.logs.items():
            self._grow(followed)
            if followed.waiting and self._is_gap(name, followed):
                followed.tree.extend([GAP])
                self._grow(followed)
        asked = any(True for _ in self._session.notifies(timeout=0))
        if asked or time.monotonic() - self.last_signed > self.audit.checkpoint_seconds:
            self.sign()
        elif self._unsaved and time.monotonic() - self._saved > SAVE_SECONDS:
            self._save()
        self._measure()
        return len(records)

    def _fetch(self, seconds: float) -> list[Record]:
        try:
            return self._reader.read(MOST_RECORDS, seconds)
        except KafkaError as error:
            log.warning("reading", error=repr(error)[:300])
            time.sleep(min(seconds, RETRY_SECONDS))
            return []

    def _take(self, record: Record) -> None:
        if is_marker(record):
            return
        name = record.topic
        followed = self.logs[name]
        try:
            position = position_of(name, record.key, record.headers, record.value)
        except Foreign as why:
            self._note(record, f"foreign: {why_unreadable(record.headers) or why}", None)
            return
        _, leaf = digest_of(record.key, record.value, record.headers)
        if position <= followed.tree.size:
            known = followed.tree.leaf(position - 1)
        else:
            known = followed.waiting.setdefault(position, leaf)
            self._read[name, record.partition].append((record.offset, position))
        if known != leaf:
            self._note(record, "another event was under this position before", position)

    def _grow(self, followed: FollowedLog) -> None:
        position = followed.tree.size + 1
        ready = []
        while (leaf := followed.waiting.pop(position, None)) is not None:
            ready.append(leaf)
            position += 1
        followed.tree.extend(ready)

    def _is_gap(self, name: str, followed: FollowedLog) -> bool:
        """Does everything wait for an event that there is not? After a store was restored from an older copy a position
        may stay without one. It counts only once the store itself, with events behind, has not had it for a while."""
        position, now = followed.tree.size + 1, time.monotonic()
        if followed.stuck_at != position:
            followed.stuck_at, followed.stuck_since = position, now
        if now - followed.stuck_since < self.gap_seconds:
            return False
        found = self._session.execute(
            QUERIES.is_gap.format(Identifier(stage_of(name), "stored_events")),
            (position, position),
        ).fetchone()
        if found is None or not found[0] or found[1]:
            followed.stuck_since = now
            return False
        log.warning("a position without an event", log=name, position=position)
        followed.stuck_at = position + 1
        return True

    def _note(self, record: Record, kind: str, position: int | None) -> None:
        log.error("oddity", topic=record.topic, partition=record.partition, offset=record.offset, kind=kind)
        self._session.execute(QUERIES.note_oddity, (record.topic, record.partition, record.offset, kind, position))
        self.oddities += 1
        ODDITIES.inc()

    # Saving and signing

    def _save(self) -> None:
        with self._session.transaction():
            save(self._session, {name: each.tree for name, each in self.logs.items()}, self._safe())
        self._saved, self._unsaved = time.monotonic(), False

    def _safe(self) -> dict[Place, int]:
        """The offset of each partition below which everything is in the tree."""
        safe = {}
        for place, following in self._reader.following.items():
            read, size = self._read[place], self.logs[place[0]].tree.size
            while read and read[0][1] <= size:
                read.popleft()
            safe[place] = read[0][0] if read else following
        return safe

    def sign(self) -> list[SignedCheckpoint]:
        """Sign every log that has grown (with a new key at hand: every log), and publish the checkpoint."""
        key_file = self.audit.key_file(self.config)
        rotating = keys.next_file(key_file).exists()
        announced = [f"{NEXT_KEY}{keys.read_key(keys.next_file(key_file)).verifier}"] if rotating else []
        with self._session.transaction():  # what a table's first checkpoint says of it is said then or never
            entered = self._enter_rows()
            self._save()
            save_entered(self._session, entered)
            for name, followed in self.logs.items():
                if followed.tree.size > followed.signed or rotating:
                    taken_up = entered[name].taken_up if name in entered else 0
                    said = [f"{TAKEN_UP}{taken_up}"] if taken_up else []
                    self._sign_one(name, followed, [*announced, *said])
        self.last_signed = time.monotonic()
        published = self._publish()
        if rotating and all(each.broken or each.tree.size >= each.signed for each in self.logs.values()):
            self.key = keys.take_next(key_file)
            keys.register(self.config, self.key)
            log.info("a new key signs from now on", key=str(self.key.verifier))
        return published

    def _enter_rows(self) -> dict[str, EnteredRows]:
        """Put the rows that have come into the trees of their tables."""
        found = {}
        for name, table in self.tables.items():
            followed = self.logs[name]
            if followed.broken is not None:
                continue
            entered = enter_rows(self._session, table, followed.tree, followed.recovered)
            if entered is None:
                log.warning("a table is being written to: its rows are signed the next time", table=name)
                continue
            followed.recovered = frozenset()
            found[name] = entered
        return found

    def _sign_one(self, name: str, followed: FollowedLog, announced: list[str]) -> None:
        self._look_back(name, followed)
        if followed.broken is not None or followed.tree.size < followed.signed:
            return
        now, size, root = datetime.now(UTC), followed.tree.size, followed.tree.root()
        note = self.key.sign_checkpoint(self.audit.origin_of(name), size, root, f"time {rfc3339(now)}", *announced)
        self._session.execute(QUERIES.add_checkpoint, (name, size, root, now, note))
        followed.signed = size

    def _look_back(self, name: str, followed: FollowedLog) -> None:
        """Does the tree still begin with what was signed last? While it is shorter (the database was restored, and the
        tree grows anew) that can't be said yet, and nothing is signed."""
        signed: list[tuple[int, bytes, str]] = []
        newest = newest_checkpoint(self._session, name)
        if newest is not None:
            signed.append((newest.size, newest.root, "the database"))
        try:
            filed = self._files(name).newest(keys.published_keys(self.audit.key_file(self.config)))
        except Refused as wrong:
            self._break(followed, f"{name}: the last checkpoint in the evidence folder does not hold: {wrong}")
            return
        if filed is not None:
            signed.append((filed.size, filed.root, "the evidence folder"))
        followed.signed = max((size for size, _, _ in signed), default=0)
        if name in self.tables and followed.tree.size < followed.signed:
            self._recover(name, followed, max(signed)[1])
        for size, root, place in signed:
            if size > followed.tree.size and name in self.tables:
                self._break(followed, f"{name}: {size} rows were signed, and the evidence folder lacks their hashes")
                return
            if size <= followed.tree.size and followed.tree.root(size) != root:
                self._break(followed, f"{name}: the first {size} events are not those of the checkpoint in {place}")
                return
        followed.broken = None

    def _recover(self, name: str, followed: FollowedLog, root: bytes) -> None:
        """The database is older than what was signed of a table, whose rows lie nowhere else: the tree takes the
        hashes that it lacks from the evidence folder, if they give the signed root."""
        leaves = self._files(name).read_leaves(followed.signed)
        if root_of(leaves) == root:
            followed.recovered = frozenset(leaves[followed.tree.size :])
            followed.tree.extend(leaves[followed.tree.size :])
            log.warning("hashes taken from the evidence folder", log=name, recovered=len(followed.recovered))

    @staticmethod
    def _break(followed: FollowedLog, why: str) -> None:
        if followed.broken != why:
            log.error("signed no more", why=why)
        followed.broken = why

    def _publish(self) -> list[SignedCheckpoint]:
        """Write checkpoints into the file, then onto the topic, then into the database: each at least once."""
        published = unpublished(self._session)
        for checkpoint in published:
            files = self._files(checkpoint.log)
            files.add_leaves(self.logs[checkpoint.log].tree, checkpoint.size)
            files.add_checkpoint(checkpoint.note)
            statement = CheckpointSigned(
                log=checkpoint.log,
                size=checkpoint.size,
                root=checkpoint.root.hex(),
                signed_at=checkpoint.signed_at,
                note=checkpoint.note,
            )
            self._sender.send(CHECKPOINTS.name, checkpoint.log, statement)
        if published:
            self._sender.flush()
            self._session.execute(QUERIES.checkpoints_published, ([each.id for each in published],))
        return published

    def _files(self, name: str) -> EvidenceFiles:
        return EvidenceFiles(self.audit.evidence_folder(self.config), name)

    # Health

    def _measure(self) -> None:
        now = time.monotonic()
        for name, followed in self.logs.items():
            uncovered = max(0, followed.tree.size - followed.signed)
            followed.unsigned_since = (followed.unsigned_since or now) if uncovered else None
            UNSIGNED.labels(name).set(uncovered)
            UNSIGNED_SECONDS.labels(name).set(now - (followed.unsigned_since or now))
        BROKEN.set(len(self._broken()))
        self.lag = self._reader.lag()
        metrics.LAG.labels(SCHEMA).set(self.lag)

    def _broken(self) -> list[str]:
        return [each.broken for each in self.logs.values() if each.broken is not None]

    def trouble(self) -> str | None:
        """That a log is not what was signed, as a sentence; None while all is well."""
        return next(iter(self._broken()), None)

    def details(self) -> dict[str, Any]:
        """Its figures for `/healthz`."""
        return {
            "state": "at work" if self.logs else "standby",
            "lag_records": self.lag,
            "events": {name: each.tree.size for name, each in self.logs.items()},
            "signed": {name: each.signed for name, each in self.logs.items()},
            "waiting": sum(len(each.waiting) for each in self.logs.values()),
            "oddities": self.oddities,
        }
