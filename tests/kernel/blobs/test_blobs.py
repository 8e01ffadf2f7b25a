"""One contract for every store of blobs: a folder, and a real S3 server."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from postavka.kernel.blobs import BlobDamaged, BlobMissing, Blobs, BlobsAway, open_blobs
from postavka.kernel.blobs.folder import FolderBlobs
from postavka.kernel.errors import UserError
from postavka.kernel.settings import Settings
from tests.kernel.blobs.s3proxy import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Server, s3_server

ACT = "Акт приема-передачи".encode()
NAME = hashlib.sha256(ACT).hexdigest()


@dataclass(frozen=True)
class Store:
    """A store under test, and where it keeps a blob."""

    blobs: Blobs
    file: Callable[[str], Path]


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """One S3 server for all tests of this file."""
    with s3_server("documents") as server:
        yield server


def s3_settings(server: S3Server, where: str, secret: str = SECRET_ACCESS_KEY) -> Settings:
    return Settings(
        blobs=where,
        blobs_s3_endpoint=server.endpoint,
        blobs_s3_access_key_id=ACCESS_KEY_ID,
        blobs_s3_secret_access_key=secret,
    )


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.servers)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of either kind."""
    if request.param == "folder":
        return Store(open_blobs(Settings(home=tmp_path)), lambda sha256: tmp_path / "blobs" / sha256[:2] / sha256[2:])
    server: S3Server = request.getfixturevalue("s3")
    prefix = tmp_path.name
    return Store(
        open_blobs(s3_settings(server, f"s3://documents/{prefix}")),
        lambda sha256: server.file(f"{prefix}/{sha256[:2]}/{sha256[2:]}"),
    )


def test_what_was_put_is_got(store: Store):
    assert store.blobs.put(ACT) == NAME
    assert store.blobs.get(NAME) == ACT
    assert store.blobs.has(NAME)


def test_the_same_bytes_are_one_blob(store: Store):
    assert store.blobs.put(ACT) == store.blobs.put(ACT)
    assert store.blobs.get(NAME) == ACT
    assert [each.name for each in store.file(NAME).parent.iterdir()] == [NAME[2:]]


@pytest.mark.parametrize("data", [b"", bytes(range(256)) * 20_000], ids=["nothing", "5 MB"])
def test_any_bytes(store: Store, data: bytes):
    assert store.blobs.get(store.blobs.put(data)) == data


def test_a_blob_that_is_not_there(store: Store):
    assert not store.blobs.has(NAME)
    with pytest.raises(BlobMissing, match=NAME):
        store.blobs.get(NAME)


def test_damage_is_noticed_and_mended_by_putting_again(store: Store):
    store.blobs.put(ACT)
    file = store.file(NAME)
    file.chmod(0o600)
    file.write_bytes(ACT.replace("А".encode(), "Б".encode()))
    with pytest.raises(BlobDamaged, match=NAME):
        store.blobs.get(NAME)
    store.blobs.put(ACT)
    assert store.blobs.get(NAME) == ACT


@pytest.mark.parametrize("name", ["", "../../etc/passwd", NAME.upper(), NAME + "0", NAME[:-1] + "/"])
def test_only_a_name_is_taken_for_one(store: Store, name: str):
    with pytest.raises(ValueError, match="not a SHA-256"):
        store.blobs.get(name)
    with pytest.raises(ValueError, match="not a SHA-256"):
        store.blobs.has(name)


def test_a_wrong_secret_is_refused_by_the_server_and_not_told(s3: S3Server):
    blobs = open_blobs(s3_settings(s3, "s3://documents", secret="not-the-secret"))
    with pytest.raises(BlobsAway, match="s3://documents") as refused:
        blobs.get(NAME)
    assert "not-the-secret" not in str(refused.value)


def test_a_bucket_that_is_not_there(s3: S3Server):
    with pytest.raises(BlobsAway, match="s3://elsewhere"):
        open_blobs(s3_settings(s3, "s3://elsewhere")).put(ACT)


@pytest.mark.parametrize("where", ["s3://", "s3://key:secret@documents", "s3://documents?region=x"])
def test_an_address_that_names_no_bucket(where: str):
    with pytest.raises(UserError, match="s3://bucket"):
        open_blobs(Settings(blobs=where))


def test_a_folder_that_can_t_be_written(tmp_path: Path):
    (tmp_path / "blobs").write_text("a file, not a folder")
    with pytest.raises(BlobsAway):
        open_blobs(Settings(home=tmp_path)).put(ACT)


def test_documents_are_for_their_owner_only(tmp_path: Path):
    FolderBlobs(tmp_path / "blobs").put(ACT)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "blobs").rglob("*")}
    assert (tmp_path / "blobs").stat().st_mode & 0o077 == 0
    assert not any(mode & 0o077 for mode in modes.values()), modes


KILLED = """
import os, signal, sys
from postavka.kernel.blobs import folder
at = sys.argv[2]
real_replace = folder.Path.replace
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
if at == "written":
    folder.Path.replace = die
elif at == "renamed":
    folder.sync_folder = lambda path: die() if len(path.name) == 2 else None
folder.FolderBlobs(sys.argv[1]).put("Акт приема-передачи".encode())
"""


@pytest.mark.parametrize(("at", "there"), [("written", False), ("renamed", True)])
def test_killed_in_the_middle_all_or_nothing_is_there(tmp_path: Path, at: str, there: bool):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "blobs"), at], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    blobs = FolderBlobs(tmp_path / "blobs")
    assert blobs.has(NAME) is there
    assert blobs.put(ACT) == NAME
    assert blobs.get(NAME) == ACT
