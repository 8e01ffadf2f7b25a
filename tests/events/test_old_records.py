"""Every record on the topics of an installation of an earlier release is read with the contract of today."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from io import BytesIO

import pyarrow.parquet as pq

from events.registry import BadBody, decode
from events.upcasting import newest_version
from tests.paths import RELEASE_6C4DEB1

INSTALLATION = RELEASE_6C4DEB1 / "installation.tar.xz"
DEAD_LETTERS = "dead-letters"
"""Copies of records that could not be taken."""


def records() -> Iterator[tuple[str, str, bytes]]:
    """Topic, type and body of every record."""
    with tarfile.open(INSTALLATION) as archive:
        for name in archive.getnames():
            if not name.startswith("copy/topics/"):
                continue
            file = archive.extractfile(name)
            assert file is not None
            for row in pq.read_table(BytesIO(file.read())).to_pylist():
                headers = {each["name"]: each["value"] for each in row["headers"]}
                yield name.split("/")[2], headers["ce_type"].decode(), row["value"]


def test_all_can_be_read_and_what_is_poison_stays_poison():
    refused, seen = [], set()
    for topic, type_name, body in records():
        if topic == DEAD_LETTERS:
            continue
        try:
            assert newest_version(type_name) == decode(type_name, body).TYPE
        except BadBody:
            refused.append((topic, body))
        seen.add(type_name)
    confirmations = "distributors.dist-north.confirmations"
    assert {topic for topic, _ in refused} == {confirmations}
    poison = [b'{"request_id": "', b'{"accepted": "perhaps"}', b"[]", b"\xff\xfe"]
    assert sorted(body for _, body in refused) == sorted(poison)
    assert len(seen) > 50
