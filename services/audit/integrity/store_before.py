"""A stage's store as it was before one of its positions, for facts that are looked up in it: claims and events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

from psycopg.sql import SQL, Identifier

from events.model import Event
from events.registry import decode
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.recorder import SELECT_EVENTS, RecordedEvent
from postavka.kernel.store.session import READ_ONLY, open_session

QUERIES = load_queries("services.audit")

Claims = Callable[[UUID, Event], Iterable[tuple[str, str]]]


class StoreBefore:
    """The two questions that facts ask of a stage's recorder. `position`: None for the store as it is. A claim counts
    if the event that made it (`claims`) was there."""

    def __init__(self, conninfo: str, schema: str, position: int | None, claims: Claims) -> None:
        self._conninfo = conninfo
        self._schema = schema
        self._position = position
        self._claims = claims

    def find_claims(self, kind: str, values: Iterable[str]) -> dict[str, UUID]:
        """Who had claimed these values; a free one is left out."""
        wanted = list(values)
        if not wanted:
            return {}
        query = QUERIES.find_claims
        with open_session(self._conninfo, READ_ONLY, autocommit=False) as connection:
            found: dict[str, UUID] = dict(
                connection.execute(query.format(Identifier(self._schema)), (kind, wanted)).fetchall()
            )
        made = {
            (value, subject)
            for subject, events in self.load(found.values()).items()
            for event in events
            for of, value in self._claimed(subject, event)
            if of == kind
        }
        return {value: subject for value, subject in found.items() if (value, subject) in made}

    def load(self, originators: Iterable[UUID]) -> dict[UUID, list[RecordedEvent]]:
        """Their events, in order of version."""
        wanted = list(dict.fromkeys(originators))
        if not wanted:
            return {}
        query = SQL(
            SELECT_EVENTS.replace("stored_events", "{}.stored_events")
            + " WHERE originator_id = ANY(%s) AND (%s::bigint IS NULL OR notification_id < %s) "
            "ORDER BY originator_id, originator_version"
        ).format(Identifier(self._schema))
        found: dict[UUID, list[RecordedEvent]] = {}
        with open_session(self._conninfo, READ_ONLY, autocommit=False) as connection:
            for row in connection.execute(query, (wanted, self._position, self._position), binary=True):
                found.setdefault(row[0], []).append(RecordedEvent(*row))
        return found

    def _claimed(self, subject: UUID, recorded: RecordedEvent) -> Iterable[tuple[str, str]]:
        event = decode(recorded.type, recorded.body)
        return self._claims(subject, event) if isinstance(event, Event) else ()
