"""Persons' keys: made, used, destroyed.

AES-SIV (RFC 5297) with the key's id as associated data: the same text of the same person always gives the same
ciphertext, so that a command that is sent again is the same command; a ciphertext that was tampered with, or put under
another key's id, can't be read.

A vault is for several threads. What it has looked up it remembers for seconds, so that an erasure is in force
everywhere that soon.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from pydantic import BaseModel

from events.personal import ENCRYPTED, LONGEST, PREFIX, is_encrypted, personal_fields
from postavka.kernel.errors import NotFound, UserError
from postavka.kernel.privacy.installation_keys import MIGRATIONS, SCHEMA
from postavka.kernel.privacy.master import master_key
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.migration import require
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import open_session

QUERIES = load_queries("postavka.kernel.privacy")

KEY_BYTES = 64
"""AES-256-SIV."""
REMEMBERED_SECONDS = 5.0
"""For reading."""
REMEMBERED_FOR_WRITING_SECONDS = 300.0
"""What is written so long after an erasure may still go under the destroyed key: it can't be read, which is safe."""
MOST_REMEMBERED = 20_000

ERASED = "стёрто"
"""What stands where a person's data was."""
UNREADABLE = "нет доступа"
"""What stands where a key is not here (a copy without its keys), or does not fit."""

Model = TypeVar("Model", bound=BaseModel)


class TooLong(UserError):
    """A text does not fit into its field once it is encrypted."""


class NotOnePerson(UserError):
    """What was given names several persons."""


class NobodyKnown(NotFound):
    """Nothing is encrypted for the person that was named."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """A key that was destroyed, with who did it and why."""

    key_id: str
    erased_at: Any
    erased_by: str
    reason: str


class Vault:
    """The keys of one installation."""

    def __init__(self, conninfo: str, master: bytes) -> None:
        require(conninfo, SCHEMA, MIGRATIONS)
        self._conninfo = conninfo
        self._master = master
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[Any] | None = None
        self._keys: dict[str, tuple[float, AESSIV | None]] = {}
        self._writing: dict[tuple[bytes, ...], tuple[float, str, AESSIV]] = {}
        """By the hashes of a person's names."""

    # Writing

    def protect(self, message: Model, *known_as: str) -> Model:
        """The message with its personal fields encrypted; `known_as` are further names of the person. What is
        encrypted stays as it is. Raises `TooLong`."""
        changed: dict[str, Any] = {}
        for name, mark in personal_fields(type(message)):
            value = getattr(message, name)
            if value and not is_encrypted(value):
                fields = (
                    [getattr(message, each) for each in mark.person],
                    [getattr(message, each) for each in mark.also],
                )
                naming, finding = ([text for text in each if text and not is_encrypted(text)] for each in fields)
                changed[name] = self.encrypt(value, [*naming, *known_as, *finding])
        return message.model_copy(update=changed) if changed else message

    def encrypt(self, text: str, names: Sequence[str], longest: int | None = LONGEST) -> str:
        """A text as it may lie on the log, under the key of the person that `names[0]` names; the person is found by
        the other names as well. `longest`: characters that its field holds. Raises `TooLong`."""
        key_id, key = self._key_of(names)
        raw = key.encrypt(text.encode(), [key_id.encode()])
        encrypted = f"{PREFIX}{key_id}:{base64.b64encode(raw).decode()}"
        if longest is not None and len(encrypted) > longest:
            raise TooLong(f"{len(text)} characters are too many for a field that is kept encrypted")
        return encrypted

    def _key_of(self, names: Sequence[str]) -> tuple[str, AESSIV]:
        hashes = tuple(self._hash(name) for name in names)
        with self._lock:
            known = self._writing.get(hashes)
            if known is None or known[0] < time.monotonic():
                key_id = self._find_or_make(hashes)
                key = self._fetch([key_id]).get(key_id)
                assert key is not None  # noqa: S101  (an erased person's names are gone)
                known = (time.monotonic() + REMEMBERED_FOR_WRITING_SECONDS, key_id, key)
                _remember(self._writing, hashes, known)
            return known[1], known[2]

    def _find_or_make(self, hashes: Sequence[bytes]) -> str:
        with self._query() as connection:
            key_id = secrets.token_urlsafe(8)
            wrapped = aes_key_wrap(self._master, secrets.token_bytes(KEY_BYTES))
            connection.execute(QUERIES.lock)
            found = connection.execute(QUERIES.key_of, (hashes[0],)).fetchone()
            if found is not None:
                key_id = str(found[0])
            else:
                connection.execute(QUERIES.add_key, (key_id, wrapped))
            with connection.cursor() as cursor:
                cursor.executemany(
                    QUERIES.add_name,
                    [(each, key_id, number == 0) for number, each in enumerate(hashes)],
                )
            return key_id

    def _hash(self, name: str) -> bytes:
        return hmac.digest(self._master, normal(name).encode(), "sha256")

    # Reading

    def reveal(self, value: Any) -> Any:
        """Any JSON value with what is encrypted in it made readable, as far as there are keys; the value itself is not
        changed."""
        wanted = {match[1] for text in _texts(value) if (match := ENCRYPTED.fullmatch(text))}
        if not wanted:
            return value
        return _replaced(value, self._fetch(wanted))

    def readable(self, message: Model) -> Model:
        """A message (or a part of one) with its texts made readable. What was erased reads `ERASED`."""
        return message.model_copy(
            update={
                name: self.reveal(value)
                for name, _ in personal_fields(type(message))
                if is_encrypted(value := getattr(message, name))
            }
        )

    def _fetch(self, key_ids: Iterable[str]) -> dict[str, AESSIV | None]:
        """The keys by id; None for one that was destroyed. One that is not here is left out."""
        now = time.monotonic()
        with self._lock:
            known = {each: self._keys[each] for each in key_ids if each in self._keys}
            fresh = {each: key for each, (until, key) in known.items() if until >= now}
            missing = [each for each in key_ids if each not in fresh]
            if missing:
                with self._query() as connection:
                    rows = connection.execute(QUERIES.fetch, (missing,))
                    for key_id, wrapped in rows:
                        key = None if wrapped is None else self._unwrap(bytes(wrapped))
                        _remember(self._keys, key_id, (now + REMEMBERED_SECONDS, key))
                        fresh[key_id] = key
            return fresh

    def _unwrap(self, wrapped: bytes) -> AESSIV:
        try:
            return AESSIV(aes_key_unwrap(self._master, wrapped))
        except InvalidUnwrap:
            raise UserError("the master key is not the one that persons' keys were wrapped with") from None

    # Erasing

    def find(self, name: str) -> list[str]:
        """Ids of the keys of whoever is found by this name."""
        with self._query() as connection:
            rows = connection.execute(QUERIES.find, (self._hash(name),))
            return [row[0] for row in rows]

    def erase(self, name: str, by: str, reason: str, *, everybody: bool = False) -> list[Erasure]:
        """Destroy the key of the person that this names, and all names with it. Raises `NobodyKnown`; `NotOnePerson`
        when it names several (a telephone that is shared) and not `everybody` is meant."""
        found = self.find(name)
        if not found:
            raise NobodyKnown("nothing here is encrypted for this person, or it was erased already")
        if len(found) > 1 and not everybody:
            raise NotOnePerson(
                f"{len(found)} persons are found by this: name one by its e-mail address, or say --everybody"
            )
        return self.erase_keys(found, by, reason)

    def erase_keys(self, key_ids: Sequence[str], by: str, reason: str) -> list[Erasure]:
        """Destroy keys; those that were destroyed before are left as they are."""
        with self._query() as connection:
            rows = connection.execute(QUERIES.erase_keys, (by, reason, list(key_ids))).fetchall()
            connection.execute(QUERIES.forget_names, (list(key_ids),))
        self._forget()
        self._vacuum()
        return [Erasure(*row) for row in rows]

    def erasures(self) -> int:
        """How many keys were destroyed so far."""
        with self._query() as connection:
            row = connection.execute(QUERIES.erasures).fetchone()
            return int(row[0]) if row else 0

    def unpublished(self) -> list[Erasure]:
        """Erasures that may not be on the topic yet."""
        with self._query() as connection:
            rows = connection.execute(QUERIES.unpublished)
            return [Erasure(*row) for row in rows]

    def mark_published(self, erasures: Iterable[Erasure]) -> None:
        """They are on the topic."""
        with self._query() as connection:
            connection.execute(QUERIES.published, ([each.key_id for each in erasures],))

    def _forget(self) -> None:
        with self._lock:
            self._keys.clear()
            self._writing.clear()

    def _vacuum(self) -> None:
        """What was overwritten is to be gone from the table's file too, not only out of sight."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(f"VACUUM {SCHEMA}.persons, {SCHEMA}.names")

    # PostgreSQL

    def _query(self) -> _Transaction:
        return _Transaction(self)


class _Transaction:
    """A transaction on the vault's connection, opened anew when it broke."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def __enter__(self) -> psycopg.Connection[Any]:
        self._vault._lock.acquire()
        try:
            connection = self._vault._connection
            if connection is not None and not connection.closed:
                try:
                    return self._begin(connection)
                except psycopg.OperationalError:  # PostgreSQL was away since: nothing was asked yet, so ask anew
                    connection.close()
            connection = self._vault._connection = open_session(
                self._vault._conninfo, {"search_path": f"{SCHEMA},public"}, application_name="keys of postavka"
            )
            return self._begin(connection)
        except BaseException:
            self._vault._lock.release()
            raise

    def _begin(self, connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
        self._transaction = connection.transaction()
        self._transaction.__enter__()
        return connection

    def __exit__(self, *exc: Any) -> None:
        try:
            self._transaction.__exit__(*exc)
        except psycopg.OperationalError:
            self._vault._connection = None
            raise
        finally:
            self._vault._lock.release()


_opened: dict[tuple[str, Path], Vault] = {}


def open_vault(config: Settings) -> Vault:
    """The vault of this installation, one a process: the master key is read once."""
    place = (database_url(config), config.home)
    vault = _opened.get(place)
    if vault is None:
        vault = _opened.setdefault(place, Vault(place[0], master_key(config)))
    return vault


def normal(name: str) -> str:
    """A name in the one form by which a person is found: case and blanks don't matter, nor how a telephone number is
    written (8 and +7 are the same)."""
    text = re.sub(r"\s+", " ", name).strip().casefold()
    if re.fullmatch(r"\+?[\d\s().–-]{7,}", text):
        digits = re.sub(r"\D", "", text)
        return f"+7{digits[1:]}" if len(digits) == 11 and digits[0] in "78" else f"+{digits}"
    return text


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            if value.startswith(PREFIX):
                yield value
        case Mapping():
            for each in value.values():
                yield from _texts(each)
        case list() | tuple():
            for each in value:
                yield from _texts(each)


def _replaced(value: Any, keys: Mapping[str, AESSIV | None]) -> Any:
    match value:
        case str():
            return _readable(value, keys) if value.startswith(PREFIX) else value
        case Mapping():
            return {name: _replaced(each, keys) for name, each in value.items()}
        case list():
            return [_replaced(each, keys) for each in value]
        case tuple():
            return tuple(_replaced(each, keys) for each in value)
        case _:
            return value


def _readable(text: str, keys: Mapping[str, AESSIV | None]) -> str:
    match = ENCRYPTED.fullmatch(text)
    if match is None:
        return text
    key = keys.get(match[1])
    if key is None:
        return ERASED if match[1] in keys else UNREADABLE
    try:
        return key.decrypt(base64.b64decode(match[2]), [match[1].encode()]).decode()
    except (InvalidTag, ValueError):
        return UNREADABLE


def _remember(known: dict[Any, Any], key: Any, value: Any) -> None:
    if len(known) >= MOST_REMEMBERED:
        known.clear()
    known[key] = value
