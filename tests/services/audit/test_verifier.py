"""Signed notes, proof files and the evidence folder, as a server that lies would forge them."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.audit import verifier
from services.audit.integrity.merkle import Tree
from services.audit.verifier import (
    PROOF_FORMAT,
    Refused,
    VerifierKey,
    check_evidence,
    check_proof,
    checkpoint_text,
    leaf_data,
    leaf_hash,
    open_checkpoint,
    open_checkpoints,
    read_keys,
    read_leaf,
    sign_note,
    split_notes,
)

LOG = "request.events"
ORIGIN = f"postavka/{LOG}"


class Signer:
    def __init__(self, name: str = "postavka-audit") -> None:
        self._private = Ed25519PrivateKey.generate()
        self.key = VerifierKey(name, self._private.public_key().public_bytes_raw())

    def note(self, size: int, root: bytes, *extensions: str, origin: str = ORIGIN) -> str:
        return self.sign(checkpoint_text(origin, size, root, extensions))

    def sign(self, text: str) -> str:
        return sign_note(text, self.key.name, self.key.public, self._private.sign)


def an_event(position: int, body: str = "{}") -> bytes:
    headers = [
        ("ce_source", b"/postavka/request"),
        ("ce_type", b"RequestSubmitted.v1"),
        ("ce_subject", b"6f9c"),
        ("ce_position", b"%d" % position),
    ]
    return leaf_data(b"6f9c", headers, body.encode())


def a_tree(count: int) -> Tree:
    tree = Tree(0, lambda level, index: b"")
    tree.extend(leaf_hash(an_event(position)) for position in range(1, count + 1))
    return tree


@pytest.fixture
def signer() -> Signer:
    return Signer()


# Notes


def test_the_example_of_the_signed_note_specification_is_read():
    key = VerifierKey.read("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert str(key).startswith("PeterNeumann+c74f20a3+")
    with pytest.raises(Refused, match="no checkpoint"):  # the signature holds; the text is another one
        open_checkpoint(note, [key])
    with pytest.raises(Refused, match="signature of PeterNeumann"):
        open_checkpoint(note.replace("answer", "Answer"), [key])


def test_a_checkpoint_says_what_was_signed(signer: Signer):
    tree = a_tree(5)
    note = signer.note(5, tree.root(), "time 2026-03-16T09:30:00Z")
    found = open_checkpoint(note, [Signer().key, signer.key])
    assert (found.origin, found.size, found.root, found.time) == (ORIGIN, 5, tree.root(), "2026-03-16T09:30:00Z")


def test_a_forged_checkpoint_is_refused(signer: Signer):
    note = signer.note(5, a_tree(5).root())
    other = Signer()
    forged = [
        note.replace("\n5\n", "\n6\n"),
        note.replace(ORIGIN, "postavka/billing.events"),
        other.note(5, a_tree(5).root()),
        note.partition("\n\n")[0] + "\n",
        note + "x",
        note.replace("— postavka-audit", "— another-name"),
        note.replace("— ", "- "),
        note.replace("=\n\n", "=\nmore\n\n"),
        note.replace("\n5\n", "\n05\n"),
        note.replace("\n5\n", "\n٥\n"),
        note.replace("\n", "\r\n"),
        "",
        "\n\n",
        signer.sign(f"{ORIGIN}\n-5\n{base64.b64encode(bytes(32)).decode()}\n"),
        signer.sign(f"{ORIGIN}\n5\n{base64.b64encode(bytes(31)).decode()}\n"),
        signer.sign(f"{ORIGIN}\n5\n"),
        "x" * 200_000,
    ]
    open_checkpoint(note, [signer.key])
    for wrong in forged:
        with pytest.raises(Refused):
            open_checkpoint(wrong, [signer.key])


def test_base64_has_one_form_only(signer: Signer):
    note = signer.note(5, a_tree(5).root())
    line = note.splitlines()[2]
    for other in (line[:-1], line + "=", line[:-2] + ("B=" if line[-2] != "B" else "C="), f" {line}"):
        with pytest.raises(Refused):
            open_checkpoint(note.replace(line, other), [signer.key])


def test_a_key_whose_hash_is_anothers_is_refused(signer: Signer):
    name, _, encoded = str(signer.key).split("+", 2)
    assert read_keys(f"# ours\n\n{signer.key}\n") == [signer.key]
    for line in (
        f"{name}+00000000+{encoded}",
        f"{name}+{signer.key.id.hex()}+{encoded[:-4]}",
        f"+{signer.key.id.hex()}+{encoded}",
        f"other{name}+{signer.key.id.hex()}+{encoded}",
        "hello",
    ):
        with pytest.raises(Refused):
            read_keys(line)


def test_a_key_that_a_trusted_checkpoint_announces_is_trusted_from_there_on(signer: Signer):
    new, tree = Signer(), a_tree(5)
    announced = signer.note(5, tree.root(), f"next-key {new.key}")
    signed_by_new = new.note(5, tree.root())
    assert len(open_checkpoints(announced + signed_by_new, [signer.key])) == 2
    with pytest.raises(Refused, match="checkpoint 1"):
        open_checkpoints(signed_by_new + announced, [signer.key])
    with pytest.raises(Refused, match="checkpoint 1"):
        open_checkpoints(new.note(5, tree.root(), f"next-key {new.key}") + signed_by_new, [signer.key])


def test_notes_are_told_apart(signer: Signer):
    notes = [signer.note(size, a_tree(size).root(), "time now") for size in (1, 2, 3)]
    assert list(split_notes("".join(notes))) == notes


# Leaves


def test_no_two_events_have_the_same_leaf():
    event = leaf_data(b"key", [("a", b"bc"), ("d", b"")], b"value")
    others = [
        leaf_data(b"key", [("ab", b"c"), ("d", b"")], b"value"),
        leaf_data(b"key", [("a", b"bc"), ("", b"d")], b"value"),
        leaf_data(b"keya", [("", b"bc"), ("d", b"")], b"value"),
        leaf_data(b"key", [("d", b""), ("a", b"bc")], b"value"),
        leaf_data(b"key", [("a", b"bc")], b"dvalue"),
    ]
    assert len({event, *others}) == 6
    assert read_leaf(event) == (b"key", [("a", b"bc"), ("d", b"")], b"value")
    for wrong in (event[:-1], event + b"x", b"", event[1:]):
        with pytest.raises(Refused):
            read_leaf(wrong)


# Proof files


def an_inclusion(signer: Signer, position: int = 41, size: int = 100) -> dict[str, object]:
    tree = a_tree(size)
    return {
        "format": PROOF_FORMAT,
        "kind": "inclusion",
        "position": position,
        "leaf": base64.b64encode(an_event(position)).decode(),
        "path": [base64.b64encode(step).decode() for step in tree.inclusion(position - 1, size)],
        "checkpoint": signer.note(size, tree.root()),
    }


def a_consistency(signer: Signer) -> dict[str, object]:
    tree = a_tree(100)
    return {
        "format": PROOF_FORMAT,
        "kind": "consistency",
        "older": signer.note(37, tree.root(37)),
        "newer": signer.note(100, tree.root()),
        "path": [base64.b64encode(step).decode() for step in tree.consistency(37, 100)],
    }


def test_proofs_hold_and_say_what_they_prove(signer: Signer):
    assert "RequestSubmitted.v1 of 6f9c is event 41 of postavka/request.events" in check_proof(
        an_inclusion(signer), [signer.key]
    )
    assert "begins with the same 37 events" in check_proof(a_consistency(signer), [signer.key])


def test_what_a_lying_server_sends_is_refused(signer: Signer):
    good, step = an_inclusion(signer), a_consistency(signer)
    liar = Signer()
    rewritten = Tree(0, lambda level, index: b"")
    rewritten.extend(leaf_hash(an_event(position, '{"forged": true}')) for position in range(1, 101))
    lies = [
        {**good, "leaf": base64.b64encode(an_event(41, '{"amount": "1.00"}')).decode()},
        {**good, "leaf": base64.b64encode(an_event(42)).decode()},
        {**good, "position": 42},
        {**good, "position": True},
        {**good, "position": "41"},
        {**good, "path": []},
        {**good, "path": good["path"][:-1]},  # type: ignore[index]
        {**good, "path": "none"},
        {**good, "path": [7]},
        {**good, "path": ["AAAA"] * 500},
        {**good, "checkpoint": liar.note(100, a_tree(100).root())},
        {**good, "checkpoint": signer.note(100, a_tree(100).root(), origin="postavka/billing.events")},
        {**good, "kind": "belief"},
        {**good, "format": "another"},
        {key: value for key, value in good.items() if key != "checkpoint"},
        {**step, "newer": signer.note(100, rewritten.root())},
        {**step, "newer": step["older"], "older": step["newer"]},
        {**step, "older": signer.note(37, a_tree(37).root(), origin="postavka/billing.events")},
        {**step, "path": []},
        {**step, "older": liar.note(37, a_tree(37).root())},
        [],
        None,
        "proof",
    ]
    for lie in lies:
        with pytest.raises(Refused):
            check_proof(lie, [signer.key])


# The folder that is kept elsewhere


def test_the_evidence_folder_is_checked_as_a_whole(signer: Signer, tmp_path: Path):
    tree = a_tree(100)
    notes = [signer.note(size, tree.root(size)) for size in (10, 37, 100)]
    leaves = b"".join(tree.leaf(index) for index in range(100))
    (tmp_path / f"{LOG}.checkpoints").write_text("".join(notes))
    (tmp_path / f"{LOG}.leaves").write_bytes(leaves + b"unfinished")
    found = check_evidence(tmp_path, LOG, [signer.key])
    assert (found.size, len(found.checkpoints), found.leaves) == (100, 3, leaves)
    (tmp_path / f"{LOG}.leaves").write_bytes(leaves[:32] + bytes(32) + leaves[64:])
    with pytest.raises(Refused, match="root signed at 10"):
        check_evidence(tmp_path, LOG, [signer.key])
    (tmp_path / f"{LOG}.leaves").write_bytes(leaves[:-32])
    with pytest.raises(Refused, match="99 hashes, 100 are signed"):
        check_evidence(tmp_path, LOG, [signer.key])
    (tmp_path / "billing.events.checkpoints").write_text(notes[0])
    with pytest.raises(Refused, match="checkpoints of postavka/request"):
        check_evidence(tmp_path, "billing.events", [signer.key])


def test_the_file_runs_alone(signer: Signer, tmp_path: Path):
    alone = tmp_path / "verify.py"
    alone.write_bytes(Path(verifier.__file__).read_bytes())
    (tmp_path / "keys").write_text(str(signer.key))
    (tmp_path / "good.json").write_text(json.dumps(an_inclusion(signer)))
    (tmp_path / "bad.json").write_text(json.dumps({**an_inclusion(signer), "position": 40}))
    tree = a_tree(3)
    (tmp_path / f"{LOG}.checkpoints").write_text(signer.note(3, tree.root()))
    (tmp_path / f"{LOG}.leaves").write_bytes(b"".join(tree.leaf(index) for index in range(3)))
    key, headers, value = read_leaf(an_event(2))
    line = {"key": key.decode(), "headers": [[name, each.decode()] for name, each in headers], "value": value.decode()}
    (tmp_path / "events.jsonl").write_text(json.dumps(line) + "\n")
    line["value"] = '{"forged": true}'
    (tmp_path / "forged.jsonl").write_text(json.dumps(line) + "\n")

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-I", str(alone), *arguments, "--keys", "keys"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    assert run("proof", "good.json")[0] == 0
    status, said = run("proof", "good.json", "bad.json")
    assert (status, said.splitlines()[-1][:7]) == (1, "FAILED:")
    assert run("proof", "keys")[0] == 2
    assert run("evidence", ".") == (0, f"ok: {ORIGIN}: 1 checkpoints over 3 events hold together\n")
    assert run("events", "events.jsonl", "--evidence", ".", "--log", LOG)[0] == 0
    status, said = run("events", "forged.jsonl", "--evidence", ".", "--log", LOG)
    assert status == 1
    assert "event 2 is not the one that was signed for" in said
