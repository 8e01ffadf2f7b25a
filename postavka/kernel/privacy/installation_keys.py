"""The keys that every machine of an installation must have alike, each in a file outside of the database.

The database keeps a fingerprint of each, registered by whoever has the key first. A machine that has another one, or
none where one is registered, is refused: what it encrypts or signs no other could read or check. Keys are made only by
`postavka up`, which has everything on one machine (`POSTAVKA_MAKE_KEYS`); elsewhere they must be given.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import psycopg

from postavka.kernel.errors import UserError
from postavka.kernel.key_file import BYTES, NoKey, make_key, read_key
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.migration import MigrationSet, require
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("postavka.kernel.privacy")
SCHEMA = "keys"
MIGRATIONS = MigrationSet("postavka.privacy", "postavka.kernel.privacy")


class WrongKey(UserError):
    """The key here is not the one that the installation works with."""


@dataclass(frozen=True, slots=True)
class KeyKind:
    """One of the keys: what it is called in the database and in messages, where it lies in the home folder, and which
    setting names another file."""

    name: str
    words: str
    file: Path
    variable: str
    made_by: str
    """The command that makes one; `{file}` stands for its file."""


RANDOM = f"openssl rand -hex {BYTES} > {{file}}"
MASTER = KeyKind("personal data", "master key", Path("privacy/master.key"), "POSTAVKA_PRIVACY_KEY", RANDOM)
LETTERS = KeyKind("letters", "secret of letters", Path("letters.secret"), "POSTAVKA_LETTERS_KEY", RANDOM)
CHECKPOINTS = KeyKind(
    "checkpoints",
    "key of checkpoints",
    Path("audit/checkpoint.key"),
    "POSTAVKA_AUDIT_KEY",
    "postavka audit new-key {file}",
)
KINDS = (MASTER, LETTERS, CHECKPOINTS)


def installation_key(config: Settings, kind: KeyKind, named: Path | None) -> bytes:
    """A key of 32 bytes: of the file that is named, else of the home folder's, made there where it may be. Raises
    `NoKey`, `WrongKey`."""
    file = named or config.home / kind.file
    require_file(config, kind, named)
    if named is None and config.make_keys:
        make_key(file)
    key = read_key(file, kind.words)
    require_same(config, kind, fingerprint(kind, key), file)
    return key


def require_file(config: Settings, kind: KeyKind, named: Path | None) -> None:
    """Is the key's file there, or may one be made? Raises `NoKey`, with what to do."""
    file = named or config.home / kind.file
    if file.exists():
        return
    known = registered(config).get(kind.name)
    if file.exists():  # another process has made it meanwhile
        return
    if known is not None:
        raise NoKey(
            f"there is no {kind.words} in {file}, and this installation has one ({known}): copy it here from a machine "
            f"that has it, or name its file in {kind.variable}. One that is lost is given up with "
            f"`postavka keys accept '{kind.name}'` when a new one is there"
        )
    if named is not None or not config.make_keys:
        raise NoKey(
            f"there is no {kind.words} in {file}: all machines of an installation need the same. Make it once with "
            f"`{kind.made_by.format(file=file)}`, keep a copy elsewhere, and name it on each machine in {kind.variable}"
        )


def require_same(config: Settings, kind: KeyKind, found: str, file: Path) -> None:
    """Is this the key that the installation works with? The first one is registered. Raises `WrongKey`."""
    with _connected(config) as connection:
        connection.execute(QUERIES.register_fingerprint, (kind.name, found))
        row = connection.execute(QUERIES.fingerprint, (kind.name,)).fetchone()
    if row is not None and row[0] != found:
        raise WrongKey(
            f"the {kind.words} in {file} ({found}) is not the one that this installation works with ({row[0]}): name "
            f"the right file in {kind.variable}, or copy it there from a machine that has it"
        )


def replace(config: Settings, kind: KeyKind, found: str) -> None:
    """Another key from now on: the old one was changed, or is lost."""
    with _connected(config) as connection:
        connection.execute(QUERIES.replace_fingerprint, (kind.name, found))


def registered(config: Settings) -> dict[str, str]:
    """Fingerprints of the keys that the installation works with, by name of the kind."""
    with _connected(config) as connection:
        return dict(connection.execute(QUERIES.fingerprints).fetchall())


def fingerprint(kind: KeyKind, key: bytes) -> str:
    """Tells keys apart; nothing of a key of 256 random bits can be found from it."""
    return hashlib.sha256(f"postavka fingerprint of {kind.name}\n".encode() + key).hexdigest()[:32]


def _connected(config: Settings) -> psycopg.Connection[tuple[str, str]]:
    url = database_url(config)
    require(url, SCHEMA, MIGRATIONS)
    return psycopg.connect(url, autocommit=True)
