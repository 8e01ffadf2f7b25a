"""The sink of a sandbox: takes every letter that is due, as it would go to a mail server, and keeps its head alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.settings import Settings, database_url
from services.notices.channels.email.sender import outgoing_of
from services.notices.settings import notices_settings

AT_ONCE = 1_000
DUE = "SELECT * FROM notices.mail WHERE status IN ('due', 'sending') ORDER BY next_at, happened_at LIMIT %s"
SENT = """UPDATE notices.mail SET status = 'sent', tries = tries + 1, said = 'taken by the sink', sent_at = now()
WHERE id = ANY(%s)"""
HEAD_ENDS = b"\r\n\r\n"


class MailSink:
    """Stands for the sender and the mail server: what it has written down, it has taken. A letter that was written when
    the process was killed comes once more, under the same Message-ID."""

    def __init__(self, config: Settings, file: Path) -> None:
        self._vault = open_vault(config)
        self._config = notices_settings()
        self._connection = psycopg.connect(database_url(config), autocommit=True, row_factory=dict_row)
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("ab")

    def take(self) -> None:
        """Take everything that is due."""
        while rows := self._connection.execute(DUE, (AT_ONCE,)).fetchall():
            for row in rows:
                self._file.write(self._head(row) + HEAD_ENDS)
            self._file.flush()
            self._connection.execute(SENT, ([row["id"] for row in rows],))

    def _head(self, row: dict[str, Any]) -> bytes:
        return outgoing_of(self._vault.reveal(row), self._config).content.partition(HEAD_ENDS)[0]


def letters_in(files: Iterable[Path]) -> dict[str, int]:
    """How many letters about each request the sink has got, each Message-ID once."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for file in files:
        for head in file.read_bytes().decode("ascii").split(HEAD_ENDS.decode()):
            fields = dict(line.partition(": ")[::2] for line in head.split("\r\n") if ": " in line)
            if fields:
                request = fields["References"].removeprefix("<request.").partition("@")[0]
                found[request].add(fields["Message-ID"])
    return {request: len(ids) for request, ids in found.items()}
