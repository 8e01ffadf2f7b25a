"""Checks proofs about the log, alone: this file needs Python 3.11 and the package `cryptography`, no Kafka, no
PostgreSQL, nothing else of Postavka. Copy it, read it, run it where you trust the machine:

    python verifier.py proof FILE…        --keys KEYS     inclusion and consistency proofs (`postavka audit prove-…`)
    python verifier.py evidence FOLDER    --keys KEYS     the folder of checkpoints and leaf hashes, kept elsewhere
    python verifier.py events FILE.jsonl  --keys KEYS --evidence FOLDER --log LOG     exported events against it

KEYS is a file of verifier keys, one a line (`name+hash+key`), that you got on another way than the proofs.

What is checked. The events of a stage, in order of position, are the leaves of a Merkle tree (RFC 9162, section 2.1,
SHA-256). From time to time its size and root hash are signed: a checkpoint, in the form of a C2SP signed note
(c2sp.org/signed-note, c2sp.org/tlog-checkpoint) with an Ed25519 signature. Who keeps a checkpoint can prove later what
had been on the log by then, and in which order.

Everything that is read here is taken for a forgery until it has been proved: sizes, paths, encodings and keys.
Exit status: 0 all holds, 1 something does not (the first line that begins with FAILED says what), 2 can't be read.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASH_BYTES = 32
LARGEST_TREE = 2**62
LARGEST_NOTE = 100_000
ED25519 = b"\x01"
NEXT_KEY = "next-key "
EMPTY_ROOT = hashlib.sha256(b"").digest()
LEAF_PREFIX = b"postavka-leaf-v1\x00"

GAP = hashlib.sha256(b"\x00postavka-gap-v1").digest()
"""Leaf hash of a position without an event. There are none unless a store was restored from an older copy."""

PROOF_FORMAT = "postavka-proof-v1"


class Refused(ValueError):
    """The thing is not proved; the message says what does not hold."""


# The leaf: one event as bytes


def leaf_data(key: bytes, headers: Iterable[tuple[str, bytes]], value: bytes) -> bytes:
    """An event in its canonical form: Kafka's key, all headers in their order, and the body, each with its length.

    A length is four bytes, big-endian, so that no two events have the same form. Partition, offset and Kafka's
    timestamp are left out: they say where a copy lies, not what happened.
    """
    pairs = list(headers)
    parts = [LEAF_PREFIX, len(key).to_bytes(4, "big"), key, len(pairs).to_bytes(4, "big")]
    for name, content in pairs:
        raw = name.encode()
        parts += (len(raw).to_bytes(4, "big"), raw, len(content).to_bytes(4, "big"), content)
    parts += (len(value).to_bytes(4, "big"), value)
    return b"".join(parts)


def read_leaf(data: bytes) -> tuple[bytes, list[tuple[str, bytes]], bytes]:
    """Key, headers and body of a canonical form. Raises `Refused` for what is none."""
    if not data.startswith(LEAF_PREFIX):
        raise Refused("the leaf is not an event of Postavka")
    place = len(LEAF_PREFIX)

    def take(count: int) -> bytes:
        nonlocal place
        part = data[place : place + count]
        if len(part) != count:
            raise Refused("the leaf ends too early")
        place += count
        return part

    def piece() -> bytes:
        return take(int.from_bytes(take(4), "big"))

    key = piece()
    headers = []
    for _ in range(int.from_bytes(take(4), "big")):
        name = piece().decode()
        headers.append((name, piece()))
    value = piece()
    if place != len(data):
        raise Refused("the leaf has bytes behind its end")
    return key, headers, value


# The tree: RFC 9162, section 2.1


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf (2.1.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A growing tree of which only the right edge is kept: the roots of its perfect subtrees, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self.edge: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        self.size += 1
        number = self.size
        while number % 2 == 0:
            leaf = node_hash(self.edge.pop(), leaf)
            number //= 2
        self.edge.append(leaf)

    def root(self) -> bytes:
        """The root hash of the tree as it is."""
        if not self.edge:
            return EMPTY_ROOT
        root = self.edge[-1]
        for left in reversed(self.edge[:-1]):
            root = node_hash(left, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root of the tree with these hashes of leaves."""
    tree = Frontier()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def check_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> None:
    """Is `leaf` (a hash) number `index`, from 0, of the tree of this size and root? RFC 9162, 2.1.3.2. Raises
    `Refused`."""
    if not 0 <= index < size <= LARGEST_TREE:
        raise Refused(f"there is no leaf {index} in a tree of {size}")
    _check_hashes([leaf, root, *path])
    number, last, result = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise Refused("the inclusion path is too long")
        if number % 2 or number == last:
            result = node_hash(step, result)
            while number % 2 == 0 and number != 0:
                number >>= 1
                last >>= 1
        else:
            result = node_hash(result, step)
        number >>= 1
        last >>= 1
    if last != 0:
        raise Refused("the inclusion path is too short")
    if result != root:
        raise Refused("the inclusion path does not lead to the signed root: the event is not what was signed")


def check_consistency(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> None:
    """Does the tree of `second` leaves begin with that of `first`, unchanged? RFC 9162, 2.1.4.2. Raises `Refused`."""
    if not 0 <= first <= second <= LARGEST_TREE:
        raise Refused(f"a tree of {second} can't have grown from one of {first}")
    _check_hashes([first_root, second_root, *path])
    if first in (0, second):
        if path:
            raise Refused("the consistency path must be empty")
        if first == second and first_root != second_root:
            raise Refused("two checkpoints of one size have different roots: the log was forked or rewritten")
        if first == 0 and first_root != EMPTY_ROOT:
            raise Refused("the root of an empty log is wrong")
        return
    steps = list(path)
    if first & (first - 1) == 0:
        steps.insert(0, first_root)
    if not steps:
        raise Refused("the consistency path is empty")
    number, last = first - 1, second - 1
    while number % 2:
        number >>= 1
        last >>= 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise Refused("the consistency path is too long")
        if number % 2 or number == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while number % 2 == 0 and number != 0:
                number >>= 1
                last >>= 1
        else:
            new = node_hash(new, step)
        number >>= 1
        last >>= 1
    if last != 0:
        raise Refused("the consistency path is too short")
    if old != first_root:
        raise Refused("the consistency path does not lead to the older root")
    if new != second_root:
        raise Refused("the newer log does not begin with the older one: history was changed")


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise Refused("a hash has not 32 bytes")


# Keys and signed notes: c2sp.org/signed-note


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name, as one line: `name+hash+base64`."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that stand before a signature by this key."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def read(cls, line: str) -> VerifierKey:
        """Raises `Refused` for a line that is no Ed25519 verifier key, or whose hash is another's."""
        name, _, rest = line.strip().partition("+")
        claimed, _, encoded = rest.partition("+")
        raw = _base64(encoded, "a verifier key")
        if not name or re.search(r"[\s+]", name) or raw[:1] != ED25519 or len(raw) != 33:
            raise Refused(f"not an Ed25519 verifier key: {line.strip()[:80]!r}")
        key = cls(name, raw[1:])
        if claimed != key.id.hex():
            raise Refused(f"the hash in the verifier key of {name!r} is not the key's")
        return key


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement: the log `origin` had this size and this root hash."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...]
    """Further signed lines: `time …`, `next-key …`."""
    note: str
    """The whole, with signatures."""

    @property
    def time(self) -> str | None:
        """When it was signed, by the signer's clock."""
        return next((line.removeprefix("time ") for line in self.extensions if line.startswith("time ")), None)

    @property
    def next_keys(self) -> list[VerifierKey]:
        """Keys that this checkpoint announces: who trusts its signature trusts theirs from now on."""
        return [VerifierKey.read(line[len(NEXT_KEY) :]) for line in self.extensions if line.startswith(NEXT_KEY)]


def read_keys(text: str) -> list[VerifierKey]:
    """Verifier keys, one a line; empty lines and `# comments` are left out."""
    lines = (line.strip() for line in text.splitlines())
    return [VerifierKey.read(line) for line in lines if line and not line.startswith("#")]


def open_checkpoint(note: str, keys: Iterable[VerifierKey]) -> Checkpoint:
    """Read a checkpoint and check that one of `keys` has signed it. Raises `Refused`."""
    return _read_checkpoint(open_note(note, keys), note)


def open_note(note: str, keys: Iterable[VerifierKey]) -> str:
    """The text of a signed note, if one of `keys` has signed it. Raises `Refused`."""
    text, signatures = _split_note(note)
    known = {(key.name, key.id): key for key in keys}
    signed = False
    for name, raw in signatures:
        key = known.get((name, raw[:4]))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(raw[4:], text.encode())
        except InvalidSignature:
            raise Refused(f"the signature of {name} under the checkpoint is wrong") from None
        signed = True
    if not signed:
        names = ", ".join(f"{name}+{raw[:4].hex()}" for name, raw in signatures)
        raise Refused(f"the checkpoint is signed by none of your keys, but by {names}")
    return text


def read_unchecked(note: str) -> Checkpoint:
    """What a note says of itself, unproved."""
    return _read_checkpoint(_split_note(note)[0], note)


def sign_note(text: str, name: str, public: bytes, sign: Any) -> str:
    """The text with a signature line; `sign` makes an Ed25519 signature of bytes."""
    key = VerifierKey(name, public)
    line = base64.b64encode(key.id + sign(text.encode())).decode()
    return f"{text}\n\N{EM DASH} {name} {line}\n"


def checkpoint_text(origin: str, size: int, root: bytes, extensions: Sequence[str] = ()) -> str:
    """The text that is signed: c2sp.org/tlog-checkpoint."""
    return "".join(f"{line}\n" for line in (origin, str(size), base64.b64encode(root).decode(), *extensions))


def _split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    if len(note) > LARGEST_NOTE or re.search("[\x00-\x09\x0b-\x1f\x7f]", note):
        raise Refused("the checkpoint is no signed note")
    text, blank, block = note.rpartition("\n\n")
    text += "\n"
    if not blank or not block.endswith("\n"):
        raise Refused("the checkpoint has no signatures")
    signatures = []
    for line in block.removesuffix("\n").split("\n"):
        match = re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)", line)
        if match is None:
            raise Refused("a signature line of the checkpoint is malformed")
        raw = _base64(match[2], "a signature")
        if len(raw) < 5:
            raise Refused("a signature of the checkpoint is too short")
        signatures.append((match[1], raw))
    return text, signatures


def _read_checkpoint(text: str, note: str) -> Checkpoint:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):
        raise Refused("the note is no checkpoint")
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
        raise Refused("the size in the checkpoint is no number")
    root = _base64(lines[2], "the root hash")
    _check_hashes([root])
    return Checkpoint(lines[0], int(lines[1]), root, tuple(lines[3:]), note)


def _base64(text: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise Refused(f"{what} is not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise Refused(f"{what} is not in its one form of base64")
    return raw


# Proofs as files


def check_proof(proof: Any, keys: Sequence[VerifierKey]) -> str:
    """Check a proof document of `postavka audit prove-inclusion` or `prove-consistency`; returns what it proves, in a
    sentence. Raises `Refused`."""
    if not isinstance(proof, dict) or proof.get("format") != PROOF_FORMAT:
        raise Refused(f"the file is no proof of the form {PROOF_FORMAT}")
    path = [_base64(_text(each), "a hash of the path") for each in _list(proof.get("path"))]
    if proof.get("kind") == "inclusion":
        return _check_inclusion_proof(proof, path, keys)
    if proof.get("kind") == "consistency":
        return _check_consistency_proof(proof, path, keys)
    raise Refused("the proof is neither of inclusion nor of consistency")


def _check_inclusion_proof(proof: Mapping[str, Any], path: list[bytes], keys: Sequence[VerifierKey]) -> str:
    checkpoint = open_checkpoint(_text(proof.get("checkpoint")), keys)
    position = proof.get("position")
    if not isinstance(position, int) or isinstance(position, bool):
        raise Refused("the position is no number")
    data = _base64(_text(proof.get("leaf")), "the leaf")
    check_inclusion(position - 1, checkpoint.size, leaf_hash(data), path, checkpoint.root)
    headers = dict(read_leaf(data)[1])
    if headers.get("ce_position") != b"%d" % position:
        raise Refused("the event says that it has another position")
    stage = headers.get("ce_source", b"?").decode("utf-8", "replace").rpartition("/")[2]
    if not checkpoint.origin.endswith(f"/{stage}.events"):
        raise Refused(f"the checkpoint is of the log {checkpoint.origin!r}, the event of the stage {stage!r}")
    kind = headers.get("ce_type", b"?").decode("utf-8", "replace")
    subject = headers.get("ce_subject", b"?").decode("utf-8", "replace")
    return (
        f"{kind} of {subject} is event {position} of {checkpoint.origin}, which had {checkpoint.size} events "
        f"when it was signed ({checkpoint.time or 'no time'})"
    )


def _check_consistency_proof(proof: Mapping[str, Any], path: list[bytes], keys: Sequence[VerifierKey]) -> str:
    older = open_checkpoint(_text(proof.get("older")), keys)
    newer = open_checkpoint(_text(proof.get("newer")), keys)
    if older.origin != newer.origin:
        raise Refused(f"the checkpoints are of two logs: {older.origin!r} and {newer.origin!r}")
    check_consistency(older.size, newer.size, older.root, newer.root, path)
    return (
        f"{newer.origin} with {newer.size} events begins with the same {older.size} events, unchanged, "
        f"that were signed before ({older.time or 'no time'})"
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Refused("a part of the proof is missing")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > 200:
        raise Refused("the proof has no path")
    return value


# The evidence: checkpoints and leaf hashes, kept elsewhere


@dataclass(slots=True)
class Evidence:
    """The evidence of one log, from its files, checked. `leaves` are the hashes of its events up to the newest
    checkpoint."""

    origin: str
    checkpoints: list[Checkpoint] = field(default_factory=list)
    leaves: bytes = b""

    @property
    def size(self) -> int:
        """Events that are signed for."""
        return max((checkpoint.size for checkpoint in self.checkpoints), default=0)


def split_notes(text: str) -> Iterator[str]:
    """Notes that were written one after another. (A note has one blank line, before its signatures.)"""
    note: list[str] = []
    signed = False
    for line in text.splitlines(keepends=True):
        if signed and not line.startswith("—"):
            yield "".join(note)
            note, signed = [], False
        note.append(line)
        signed = line.startswith("—")
    if note:
        yield "".join(note)


def open_checkpoints(text: str, keys: Sequence[VerifierKey], origin: str | None = None) -> list[Checkpoint]:
    """The checkpoints of a file, in its order. A key that a trusted checkpoint announces is trusted from there on.
    Raises `Refused` for the first that does not hold, or that is of another log."""
    trusted = list(keys)
    opened: list[Checkpoint] = []
    for number, note in enumerate(split_notes(text), 1):
        try:
            checkpoint = open_checkpoint(note, trusted)
        except Refused as wrong:
            raise Refused(f"checkpoint {number}: {wrong}") from None
        if origin is not None and checkpoint.origin != origin:
            raise Refused(f"checkpoint {number} is of the log {checkpoint.origin!r}, not of {origin!r}")
        trusted += checkpoint.next_keys
        opened.append(checkpoint)
    return opened


def check_evidence(folder: Path, log: str, keys: Sequence[VerifierKey]) -> Evidence:
    """Read `LOG.checkpoints` and `LOG.leaves`, and recompute every root that was signed. Raises `Refused`."""
    checkpoints = open_checkpoints((folder / f"{log}.checkpoints").read_text("utf-8"), keys)
    if not checkpoints:
        raise Refused(f"{log}: no checkpoint")
    origins = {checkpoint.origin for checkpoint in checkpoints}
    if len(origins) > 1 or not checkpoints[0].origin.endswith(f"/{log}"):
        raise Refused(f"{log}.checkpoints has checkpoints of {', '.join(sorted(origins))}")
    leaves = (folder / f"{log}.leaves").read_bytes()
    size = max(checkpoint.size for checkpoint in checkpoints)
    if len(leaves) < size * HASH_BYTES:
        raise Refused(f"{log}.leaves has {len(leaves) // HASH_BYTES} hashes, {size} are signed for")
    for checkpoint, root in roots_at(leaves, checkpoints):
        if root != checkpoint.root:
            raise Refused(f"{log}: the leaf hashes do not give the root signed at {checkpoint.size} events")
    return Evidence(checkpoints[0].origin, checkpoints, leaves[: size * HASH_BYTES])


def roots_at(leaves: bytes, checkpoints: Iterable[Checkpoint]) -> Iterator[tuple[Checkpoint, bytes | None]]:
    """The roots at the sizes of checkpoints: for each, from the smallest, the root that these leaf hashes have at its
    size; None where they are fewer."""
    tree = Frontier()
    count = len(leaves) // HASH_BYTES
    for checkpoint in sorted(checkpoints, key=lambda each: each.size):
        while tree.size < min(checkpoint.size, count):
            tree.append(leaves[tree.size * HASH_BYTES : (tree.size + 1) * HASH_BYTES])
        yield checkpoint, tree.root() if tree.size == checkpoint.size else None


def read_events(lines: Iterable[str]) -> Iterator[tuple[int, bytes]]:
    """Exported events, one JSON object a line with `key`, `headers` (pairs) and `value`, all text: position and
    canonical form of each."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            headers = [(str(name), str(content).encode()) for name, content in record["headers"]]
            position = int(dict(headers)["ce_position"])
            yield position, leaf_data(record["key"].encode(), headers, record["value"].encode())
        except (KeyError, ValueError, TypeError, AttributeError):
            raise Refused(f"line {number} is no exported event") from None


def check_events(events: Iterable[tuple[int, bytes]], evidence: Evidence) -> int:
    """Are these events, by their positions, those that were signed for? Returns how many lie within what is signed.
    Raises `Refused` naming the first that is not."""
    checked = 0
    for position, data in events:
        if position > evidence.size:
            continue
        expected = evidence.leaves[(position - 1) * HASH_BYTES : position * HASH_BYTES]
        if leaf_hash(data) != expected:
            raise Refused(f"event {position} is not the one that was signed for")
        checked += 1
    return checked


# The command


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify what the command line names, as the top of this file says."""
    parser = argparse.ArgumentParser(
        prog="postavka-verify", description="Checks proofs about the log without Kafka and PostgreSQL."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    proof = commands.add_parser("proof", help="inclusion and consistency proofs")
    proof.add_argument("files", nargs="+", type=Path)
    evidence = commands.add_parser("evidence", help="a folder of checkpoints and leaf hashes")
    evidence.add_argument("folder", type=Path)
    events = commands.add_parser("events", help="exported events against such a folder")
    events.add_argument("file", type=Path)
    events.add_argument("--evidence", required=True, type=Path)
    events.add_argument("--log", required=True, help="like request.events")
    for command in (proof, evidence, events):
        command.add_argument("--keys", required=True, type=Path, help="file of verifier keys that you trust")
    options = parser.parse_args(arguments)
    try:
        keys = read_keys(options.keys.read_text("utf-8"))
        for sentence in _run(options, keys):
            print(f"ok: {sentence}")
    except Refused as wrong:
        print(f"FAILED: {wrong}")
        return 1
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as unread:
        print(f"can't be read: {unread}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace, keys: Sequence[VerifierKey]) -> Iterator[str]:
    if options.command == "proof":
        for file in options.files:
            yield check_proof(json.loads(file.read_text("utf-8")), keys)
    elif options.command == "evidence":
        files = sorted(options.folder.glob("*.checkpoints"))
        if not files:
            raise Refused(f"no checkpoints in {options.folder}")
        for file in files:
            found = check_evidence(options.folder, file.name.removesuffix(".checkpoints"), keys)
            what = "events" if found.origin.endswith(".events") else "rows"
            yield f"{found.origin}: {len(found.checkpoints)} checkpoints over {found.size} {what} hold together"
    else:
        found = check_evidence(options.evidence, options.log, keys)
        with options.file.open(encoding="utf-8") as lines:
            checked = check_events(read_events(lines), found)
        yield f"{checked} events of {options.file.name} are as signed for in {found.origin}"


if __name__ == "__main__":
    sys.exit(main())
