"""Proof documents: that an event is in what was signed, and that one signed state grew from another. JSON, checked by
`postavka-verify` without any server."""

from __future__ import annotations

import base64
from typing import Any

import psycopg

from postavka.kernel.errors import UserError
from postavka.kernel.settings import Settings
from services.audit.integrity.logs import LOGS, leaf_hash, leaf_of_event, stage_of, stored_events
from services.audit.integrity.merkle import Tree
from services.audit.integrity.store import SignedCheckpoint, checkpoints, connect, newest_checkpoint, open_tree
from services.audit.verifier import PROOF_FORMAT, Refused, read_unchecked

Proof = dict[str, Any]


class NotProvable(UserError):
    """There is no proof of this; the message says why."""


def log_of(stage: str) -> str:
    """The log that a person means by `billing` or `billing.events`. Raises `NotProvable`."""
    log = stage if stage.endswith(".events") else f"{stage}.events"
    if log not in LOGS:
        raise NotProvable(f"no log {stage!r}: there are {', '.join(map(stage_of, LOGS))}")
    return log


def prove_inclusion(config: Settings, log: str, position: int) -> Proof:
    """That the event at this position is in the newest checkpoint that was signed. Raises `NotProvable`."""
    with connect(config) as connection:
        checkpoint = _newest(connection, log)
        if not 1 <= position <= checkpoint.size:
            raise NotProvable(
                f"{log} is signed up to event {checkpoint.size}; `postavka audit checkpoint --now` signs what is there"
            )
        tree = open_tree(connection, log)
        event = next(stored_events(connection, log, position - 1, at_once=1), None)
        if event is None or event.position != position:
            raise NotProvable(f"event {position} is not in the store of {stage_of(log)}: run `postavka audit verify`")
        leaf = leaf_of_event(log, event)
        if leaf_hash(leaf) != tree.leaf(position - 1) or tree.root(checkpoint.size) != checkpoint.root:
            raise NotProvable(f"event {position} of {log} is not what was signed: run `postavka audit verify`")
        return {
            "format": PROOF_FORMAT,
            "kind": "inclusion",
            "position": position,
            "leaf": _text(leaf),
            "path": [_text(step) for step in tree.inclusion(position - 1, checkpoint.size)],
            "checkpoint": checkpoint.note,
        }


def prove_consistency(config: Settings, log: str, older: str | int) -> Proof:
    """That the newest checkpoint's log begins with the older one's, unchanged. `older` is a note that somebody has
    kept, or the size of a checkpoint that is known here. Raises `NotProvable`."""
    with connect(config) as connection:
        newest, tree = _newest(connection, log), open_tree(connection, log)
        if isinstance(older, str):
            try:
                size, note = read_unchecked(older).size, older
            except Refused as wrong:
                raise NotProvable(f"the older checkpoint can't be read: {wrong}") from None
        else:
            kept = next((each for each in checkpoints(connection, log) if each.size == older), None)
            if kept is None:
                raise NotProvable(f"no checkpoint of {log} over {older} events")
            size, note = kept.size, kept.note
        if size > newest.size:
            raise NotProvable(f"the newest checkpoint of {log} covers {newest.size} events, the older one {size}")
        return {
            "format": PROOF_FORMAT,
            "kind": "consistency",
            "older": note,
            "newer": newest.note,
            "path": [_text(step) for step in _steps(tree, size, newest.size)],
        }


def _steps(tree: Tree, first: int, second: int) -> list[bytes]:
    return tree.consistency(first, second)


def _newest(connection: psycopg.Connection[Any], log: str) -> SignedCheckpoint:
    found = newest_checkpoint(connection, log)
    if found is None:
        raise NotProvable(f"nothing of {log} is signed yet: `postavka audit checkpoint --now`")
    return found


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
