"""`postavka audit checkpoint`, `prove-…`, `check-…`, `new-key`: what is signed, and proofs of it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import orjson

from postavka.kernel.console import console, print_json, print_line, table
from postavka.kernel.errors import UserError
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import Settings, settings
from services.audit import verifier as alone
from services.audit.integrity import keys as signing
from services.audit.integrity.keys import published_keys
from services.audit.integrity.logs import LOGS
from services.audit.integrity.proofs import log_of
from services.audit.integrity.proofs import prove_consistency as consistency_proof
from services.audit.integrity.proofs import prove_inclusion as inclusion_proof
from services.audit.integrity.signed_tables import TABLES
from services.audit.integrity.signer import CHANNEL
from services.audit.integrity.store import connect, newest_checkpoints, unsigned
from services.audit.settings import AuditSettings
from services.audit.verifier import main

PATIENCE_SECONDS = 60.0


class NotSigned(UserError):
    """The service did not sign in time."""


def checkpoint(stage: str | None = None, *, now: bool = False, json: bool = False) -> None:
    """The newest signed checkpoint of each log. Keep one of them elsewhere, and nobody can change what it covers.

    Parameters
    ----------
    stage
        Only this one: request, approval, billing, shipping, activation, ops; or a table: audit.looked,
        billing.dead_letters and so on. Then the note itself is printed.
    now
        Sign what is on the logs now, without waiting for the next time.
    json
        One JSON object a line, with the note.
    """
    config = connected()
    if now:
        _sign_now(config)
    tables = [each.log for each in TABLES]
    logs = ([stage] if stage in tables else [log_of(stage)]) if stage else [*LOGS, *tables]
    with connect(config) as connection:
        found = newest_checkpoints(connection, logs)
    newest = [(log, found.get(log)) for log in logs]
    if json:
        for log, each in newest:
            signed = each and {
                "size": each.size,
                "root": each.root.hex(),
                "signed_at": each.signed_at,
                "note": each.note,
            }
            print_line({"log": log, **(signed or {"size": 0})})
        return
    if stage and newest[0][1] is not None:
        print(newest[0][1].note, end="")
        return
    shown = table("Signed", "log", "events or rows", "root", "at")
    for log, each in newest:
        row = (str(each.size), each.root.hex()[:16] + "…", f"{each.signed_at:%Y-%m-%d %H:%M:%S} UTC") if each else ()
        shown.add_row(log, *(row or ("0", "—", "—")))
    console.print(shown)


def _sign_now(config: Settings) -> None:
    """Ask the service, and wait until every log is signed as far as it is now."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with connect(config) as connection:
        heads = None
        while True:
            heads, left = unsigned(connection, heads)
            if not left:
                return
            if time.monotonic() > deadline:
                raise NotSigned(
                    f"{', '.join(left)} not signed within {PATIENCE_SECONDS:.0f} s: is the service `audit` at work? "
                    "`postavka doctor` looks at everything"
                )
            connection.execute(f"NOTIFY {CHANNEL}")
            time.sleep(0.3)


def prove_inclusion(stage: str, position: int, *, out: Path | None = None) -> None:
    """Prove that an event is on the log as it was signed: the event, its path in the tree, the checkpoint.

    Parameters
    ----------
    stage
        Whose event: request, approval, billing, shipping, activation, ops.
    position
        Its position, as in `postavka log tail --json`.
    out
        Write the proof to this file; otherwise it is printed.
    """
    _give(inclusion_proof(connected(), log_of(stage), position), out)


def prove_consistency(stage: str, older: str, *, out: Path | None = None) -> None:
    """Prove that the log as signed last begins with what an older checkpoint covers, unchanged.

    Parameters
    ----------
    stage
        Whose log.
    older
        File with a checkpoint that you have kept, or the number of events of one that is known here.
    out
        Write the proof to this file; otherwise it is printed.
    """
    kept: str | int = int(older) if older.isdigit() else Path(older).read_text("utf-8")
    _give(consistency_proof(connected(), log_of(stage), kept), out)


def _give(proof: dict[str, Any], out: Path | None) -> None:
    if out is None:
        print_json(proof)
    else:
        out.write_bytes(orjson.dumps(proof, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        console.print(f"{out}: check it with `postavka-verify proof {out} --keys KEYS`", highlight=False)


def check_proof(*files: Path, keys: Path) -> None:
    """Check proofs, without Kafka and PostgreSQL. The same as `postavka-verify proof`.

    Parameters
    ----------
    files
        Proofs.
    keys
        File of verifier keys that you trust, got on another way than the proofs.
    """
    sys.exit(main(["proof", *map(str, files), "--keys", str(keys)]))


def check_evidence(folder: Path, *, keys: Path) -> None:
    """Check a folder of checkpoints and leaf hashes, without Kafka and PostgreSQL.

    Parameters
    ----------
    folder
        The evidence, or a copy that was kept elsewhere.
    keys
        File of verifier keys that you trust.
    """
    sys.exit(main(["evidence", str(folder), "--keys", str(keys)]))


def keys() -> None:
    """The verifier keys of this installation, the newest last: for auditors."""
    for key in published_keys(AuditSettings().key_file(settings())):
        print(key)


def new_key(file: Path | None = None, *, rotate: bool = False) -> None:
    """Make a key that signs checkpoints.

    Parameters
    ----------
    file
        Where to; left out: where the service looks for it.
    rotate
        Make the next key of a service that has one: it signs once more with the old key, announcing the new one,
        and takes the new one from then on. The old one is overwritten.
    """
    place = file or AuditSettings().key_file(settings())
    if rotate:
        signing.read_key(place)
        key = signing.new_key(signing.next_file(place))
        console.print(f"from the next checkpoints on: {key.verifier}", highlight=False, soft_wrap=True)
        return
    key = signing.ensure_key(place, make=True) if not place.exists() else signing.new_key(place)
    console.print(f"{place}, for auditors: {key.verifier}", highlight=False, soft_wrap=True)


def verifier() -> None:
    """Print the verifier: one Python file that stands alone. `postavka audit verifier > verify.py`"""
    print(Path(alone.__file__).read_text("utf-8"), end="")
