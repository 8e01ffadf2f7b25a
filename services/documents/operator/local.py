"""An operator on one machine: mailboxes in a folder. For trying, developing and testing; nothing leaves the machine.

    letters/<message>/letter.json, content, signature      what was sent, one folder a key
    feed/0000000001.json                                   what the other side has done, in order

A document is made in a folder beside and renamed into place, so that it is there as a whole or not at all; a second one
with the same key finds the place taken. The other side's hand is `sign` and `decline`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from postavka.kernel.runtime.file_access import sync_folder
from services.documents.operator.interface import Declined, OperatorEvent, OutgoingDocument, SignedBack, TakenByOperator

DOCUMENT = "document"
"""The entity of the document in every message: there is one."""
MOST = 100


@dataclass(frozen=True, slots=True)
class Received:
    """A document as the other side finds it in its mailbox."""

    message_id: str
    to_inn: str
    kind: str
    file_name: str
    number: str
    content: bytes
    signature: bytes | None


class LocalOperator:
    """The `ExchangeOperator` that plays the counterparties in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._letters = folder / "letters"
        self._feed = folder / "feed"
        for each in (self._letters, self._feed):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)

    # Our side

    def send(self, outgoing: OutgoingDocument) -> TakenByOperator:
        """Send as `ExchangeOperator.send` says."""
        message = hashlib.sha256(outgoing.key.encode()).hexdigest()[:32]
        place = self._letters / message
        if not place.exists():
            beside = self._letters / f".{message}.{secrets.token_hex(4)}"
            beside.mkdir(mode=0o700)
            try:
                kept = asdict(outgoing).items()
                facts = {name: value for name, value in kept if name not in ("content", "signature")}
                _write(beside / "letter.json", json.dumps(facts, default=str, ensure_ascii=False, indent=1).encode())
                _write(beside / "content", outgoing.content)
                if outgoing.signature is not None:
                    _write(beside / "signature", outgoing.signature)
                sync_folder(beside)
                beside.rename(place)  # fails where one stands already: that was the same key
                sync_folder(self._letters)
            except OSError:
                if not place.exists():
                    raise
            finally:
                shutil.rmtree(beside, ignore_errors=True)
        return TakenByOperator(message, DOCUMENT)

    def answers(self, after: str | None) -> Sequence[OperatorEvent]:
        """Read the feed as `ExchangeOperator.answers` says."""
        found = []
        for number in self._numbers(int(after) if after else 0):
            facts = json.loads((self._feed / f"{number:010}.json").read_bytes())
            found.append(OperatorEvent(f"{number:010}", self._what(number, facts)))
            if len(found) == MOST:
                break
        return found

    # The other side

    def mailbox(self, inn: str | None = None) -> list[Received]:
        """What was sent to this INN (None: to anybody), in no order."""
        return [each for each in map(self._received, self._messages()) if inn in (None, each.to_inn)]

    def find(self, message_id: str) -> Received:
        """One message that the operator holds. Raises `LookupError`."""
        if message_id not in set(self._messages()):
            raise LookupError(f"no message {message_id!r}")
        return self._received(message_id)

    def sign(self, message_id: str, signature: bytes, title: bytes | None = None) -> None:
        """Sign for the recipient: the document, or its title in answer to it."""
        given = {"signature": _text(signature)} | ({"title": _text(title)} if title is not None else {})
        self._answer(message_id, given)

    def decline(self, message_id: str, reason: str) -> None:
        """The recipient refuses to sign."""
        self._answer(message_id, {"reason": reason})

    def _answer(self, message_id: str, facts: Mapping[str, Any]) -> None:
        outgoing = self.find(message_id)
        beside = self._feed / f".{secrets.token_hex(8)}"
        _write(beside, json.dumps({"message": message_id, "by": outgoing.to_inn, **facts}, ensure_ascii=False).encode())
        try:
            while True:
                number = max(self._numbers(0), default=0) + 1
                try:
                    os.link(beside, self._feed / f"{number:010}.json")
                except FileExistsError:
                    continue  # somebody else answered just now
                sync_folder(self._feed)
                return
        finally:
            beside.unlink()

    def _what(self, number: int, facts: Mapping[str, Any]) -> SignedBack | Declined:
        sent = TakenByOperator(facts["message"], DOCUMENT)
        if "reason" in facts:
            return Declined(sent, f"{number:010}", facts["reason"], facts["by"])
        title = facts.get("title")
        return SignedBack(sent, _bytes(facts["signature"]), _bytes(title) if title is not None else None, facts["by"])

    def _numbers(self, after: int) -> Iterator[int]:
        """The numbers of the feed's events, in order. A number whose file is not there yet ends it: what comes later is
        read later."""
        number = after + 1
        while (self._feed / f"{number:010}.json").exists():
            yield number
            number += 1

    def _messages(self) -> list[str]:
        return [each.name for each in self._letters.iterdir() if not each.name.startswith(".")]

    def _received(self, message_id: str) -> Received:
        place = self._letters / message_id
        facts = json.loads((place / "letter.json").read_bytes())
        signature = place / "signature"
        return Received(
            message_id,
            facts["to_inn"],
            facts["kind"],
            facts["file_name"],
            facts["number"],
            (place / "content").read_bytes(),
            signature.read_bytes() if signature.exists() else None,
        )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
