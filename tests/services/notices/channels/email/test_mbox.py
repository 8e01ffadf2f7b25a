"""The file of letters where no mail server is set: it is bounded, as logs are."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.notices.channels.email.mime import Outgoing
from services.notices.channels.email.transport import MBOX_OLDER, Mbox, mbox_files, mbox_of


async def test_a_full_file_gets_a_number_and_the_oldest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.notices.channels.email.transport.MBOX_BYTES", 100)
    file = mbox_of(tmp_path)
    written = Mbox(file)
    for number in range(5):
        await written.send(
            Outgoing("a@softehno.example", "b@lukomor.example", b"Subject: %d\r\n\r\n" % number + b"x" * 99)
        )
    assert [each.read_bytes().split(b"\n")[1] for each in mbox_files(file)] == [
        b"Subject: 4",
        b"Subject: 3",
        b"Subject: 2",
    ]
    assert len(list(file.parent.iterdir())) == MBOX_OLDER + 1
    assert all(each.stat().st_mode & 0o077 == 0 for each in mbox_files(file))
