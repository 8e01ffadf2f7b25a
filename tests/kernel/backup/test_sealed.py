"""Files of a copy can be read with their key alone, whole, and as they were."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postavka.kernel.backup.sealed import PIECE, TAG_BYTES, CopyKey, NotOurs, Sealing, copy_key, opened, unseal
from postavka.kernel.key_file import NoKey
from postavka.kernel.settings import Settings

KEY = CopyKey(b"k" * 32)
HEAD = len(b"postavka sealed 1\n") + 16


def sealed(file: Path, *pieces: bytes, key: CopyKey = KEY) -> Path:
    file.unlink(missing_ok=True)
    with Sealing(file, key) as out:
        for piece in pieces:
            out.write(piece)
    return file


def read(file: Path, key: CopyKey = KEY) -> bytes:
    found = io.BytesIO()
    unseal(file, key, found)
    return found.getvalue()


@settings(max_examples=40)
@given(st.lists(st.sampled_from([0, 1, 1_000, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE]), max_size=5))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]):
    content = [bytes([number]) * size for number, size in enumerate(sizes)]
    assert read(sealed(tmp_path_factory.mktemp("sealed") / "file", *content)) == b"".join(content)


def test_nothing_of_it_can_be_seen_and_no_file_looks_like_another(tmp_path: Path):
    one, other = sealed(tmp_path / "one", b"marked" * 100), sealed(tmp_path / "other", b"marked" * 100)
    assert b"marked" not in one.read_bytes()
    assert one.read_bytes()[HEAD:] != other.read_bytes()[HEAD:]


@pytest.mark.parametrize(
    "change", ["cut at a piece", "cut within one", "swapped", "changed", "begun otherwise", "empty"]
)
def test_a_file_that_was_changed_is_refused(tmp_path: Path, change: str):
    file = sealed(tmp_path / "file", b"a" * PIECE, b"b" * PIECE, b"c")
    content, size = file.read_bytes(), PIECE + TAG_BYTES
    changed = {
        "cut at a piece": content[: HEAD + 2 * size],
        "cut within one": content[:-1],
        "swapped": content[:HEAD]
        + content[HEAD + size : HEAD + 2 * size]
        + content[HEAD : HEAD + size]
        + content[HEAD + 2 * size :],
        "changed": content[: HEAD + 5] + bytes([content[HEAD + 5] ^ 1]) + content[HEAD + 6 :],
        "begun otherwise": b"x" + content[1:],
        "empty": b"",
    }[change]
    file.write_bytes(changed)
    with pytest.raises(NotOurs):
        read(file)


def test_another_key_opens_nothing(tmp_path: Path):
    file = sealed(tmp_path / "file", b"text")
    with pytest.raises(NotOurs, match="another key"):
        read(file, CopyKey(b"x" * 32))
    assert CopyKey(b"x" * 32).id != KEY.id


def test_columns_are_written_sealed_and_read_from_a_file_that_is_gone_afterwards(tmp_path: Path):
    table = pa.table({"value": [b"x" * 1_000] * 500})
    with Sealing(tmp_path / "file", KEY) as out, pq.ParquetWriter(out, table.schema) as writer:
        writer.write_table(table)
    scratch = tmp_path / "scratch"
    with opened(tmp_path / "file", KEY, scratch) as plain:
        assert pq.read_table(plain) == table
        assert plain.stat().st_mode & 0o077 == 0
    assert list(scratch.iterdir()) == []


def test_the_key_is_made_once_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = Settings(home=tmp_path)
    made = copy_key(config)
    assert copy_key(config).id == made.id
    assert (tmp_path / "backup" / "backup.key").stat().st_mode & 0o077 == 0
    named = tmp_path / "named.key"
    monkeypatch.setenv("POSTAVKA_BACKUP_KEY", str(named))
    with pytest.raises(NoKey, match="openssl rand"):
        copy_key(config)
    named.write_text("ab" * 32)
    assert copy_key(config).id == CopyKey(bytes.fromhex("ab" * 32)).id
    assert copy_key(Settings(home=tmp_path / "other"), keys=tmp_path).id == made.id, "the one taken with a copy"
