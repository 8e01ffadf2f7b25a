"""Hostile records, as an outsider's own client may write them: made from a seed, kind by kind. Imports nothing of the
product.

Each is written for a distributor's topic of answers by a distributor that the requests it names do not name, but for
`replayed`, which their own distributor sends again as it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

MARK = "hostile-"
"""Every number of a hostile answer begins so: wherever it counts, it is seen."""
CLIMB_MS = 7 * 86_400_000 + 1_000
"""From a segment's first record so far in time: with the sender's times each would begin a segment of its own."""
Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Hostile:
    """One record and the topic it is written to. `timestamp`: milliseconds; 0 is the client's own."""

    kind: str
    topic: str
    value: bytes | None
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 0


class Records:
    """Makes them. `victims`: ids of requests that wait for an answer, of another distributor."""

    def __init__(self, seed: int, own_topic: str, forbidden: Sequence[str], victims: Sequence[str]) -> None:
        self._chance = Random(seed)
        self._own, self._forbidden, self._victims = own_topic, forbidden, victims
        self._numbers = count(1)

    def __iter__(self) -> Iterator[Hostile]:
        """Without end; every kind in its turn."""
        while True:
            for kind, make in KINDS.items():
                yield make(self, kind)

    def climbing(self, records: int) -> Iterator[Hostile]:
        """So many whose times go from 1970 on, seven days later each. They do most harm where nothing lies yet."""
        for number in range(records):
            yield Hostile(CLIMBING, self._own, b'{"x":1}', self._victim().encode(), (), 1 + number * CLIMB_MS)

    def _victim(self) -> str:
        return self._chance.choice(self._victims)

    def _answer(self, request_id: object, **changes: Any) -> dict[str, Any]:
        number = f"{MARK}{next(self._numbers)}"
        return {"request_id": request_id, "confirmation_id": number, "accepted": self._chance.random() < 0.7} | changes

    def _of(self, kind: str, body: Any, key: str | bytes | None, *headers: tuple[str, bytes | None]) -> Hostile:
        value = body if isinstance(body, bytes) or body is None else json.dumps(body, ensure_ascii=False).encode()
        return Hostile(kind, self._own, value, key.encode() if isinstance(key, str) else key, headers)

    def forged_answer(self, kind: str) -> Hostile:
        """In good form, for another's request."""
        victim = self._victim()
        return self._of(kind, self._answer(victim), victim)

    def unknown_request(self, kind: str) -> Hostile:
        """For a request that nobody has sent: it is held, and comes to nothing."""
        nobody = str(UUID(int=self._chance.getrandbits(128), version=4))
        return self._of(kind, self._answer(nobody), nobody)

    def other_spelling(self, kind: str) -> Hostile:
        """The id in capitals, in braces, as a URN, without hyphens; in the key as well, or there alone."""
        victim = self._victim()
        spelt = self._chance.choice((victim.upper(), f"{{{victim}}}", f"urn:uuid:{victim}", victim.replace("-", "")))
        return self._of(kind, self._answer(spelt), self._chance.choice((victim, spelt)))

    def bad_types(self, kind: str) -> Hostile:
        """Fields that are no answer."""
        victim = self._victim()
        changed: dict[str, Any] = self._chance.choice(
            (
                {"accepted": "maybe"}, {"accepted": 2}, {"accepted": None}, {"accepted": [True]}, {"accepted": {}},
                {"request_id": 17}, {"request_id": None}, {"request_id": [victim]}, {"confirmation_id": {MARK: 1}},
                {"confirmation_id": ""}, {"confirmation_id": MARK + "x" * 5_000}, {"note": {"a": 1}},
                {"distributor_id": "dist-north"}, {"status": "activated"},
            )
        )  # fmt: skip
        return self._of(kind, self._answer(victim) | changed, victim)

    def bad_json(self, kind: str) -> Hostile:
        """Cut off, not JSON, not text, fields named twice, numbers without end, lone surrogates."""
        victim = self._victim()
        whole = json.dumps(self._answer(victim)).encode()
        value = self._chance.choice(
            (
                whole[:-1], whole + b"}", whole + whole, b"", b"\xff\xfe" + whole, b"\xef\xbb\xbf" + whole[1:],
                whole[:-1] + b', "accepted": true, "request_id": "' + victim.encode() + b'"}',
                whole.replace(b'"accepted": ', b'"accepted": 1e999999, "a": '), whole.replace(b"hostile", b"\\ud800"),
                b"[" + whole + b"]", whole.decode().encode("utf-16"), b"NaN",
            )
        )  # fmt: skip
        return self._of(kind, value, victim)

    def deep_json(self, kind: str) -> Hostile:
        """Nested without end."""
        opening = self._chance.choice((b"[", b'{"a":', b'{"request_id":'))
        return self._of(kind, opening * self._chance.choice((1_000, 10_000)), self._victim())

    def nul(self, kind: str) -> Hostile:
        """What PostgreSQL can't keep, escaped or raw."""
        victim = self._victim()
        value = json.dumps(self._answer(victim, note="a\x00b")).encode()
        raw = value.replace(b"\\u0000", b"\x00")
        spoilt = json.dumps(self._answer(victim, confirmation_id=f"{MARK}\x00")).encode()
        return self._of(kind, self._chance.choice((value, raw, spoilt)), victim)

    def huge_headers(self, kind: str) -> Hostile:
        """Thousands of headers, long ones, without a value, with one name."""
        victim = self._victim()
        huge: Sequence[Headers] = (
            [(f"h{number}", b"x" * 20) for number in range(500)],
            [("ce_type", b"x" * 30_000)],
            [("ce_id", None)] * 1_000,
            [("n" * 30_000, b"")],
        )
        return self._of(kind, self._answer(victim), victim, *self._chance.choice(huge))

    def forged_envelope(self, kind: str) -> Hostile:
        """As if a stage had written it: its name, position, clock, time, cause, and headers that only we write."""
        victim = self._victim()
        headers = {
            "ce_specversion": b"1.0",
            "ce_id": f"{victim}/{self._chance.randint(1, 3)}".encode(),
            "ce_source": self._chance.choice((b"/postavka/approval", b"/postavka/billing", b"/postavka/ops")),
            "ce_time": b"2020-01-01T00:00:00Z",
            "ce_subject": victim.encode(),
            "ce_clock": self._chance.choice((b"0" * 15 + b"1", b"7" + b"f" * 15, b"-1", b"\xff")),
            "ce_position": self._chance.choice((b"1", b"9" * 18, b"-5")),
            "ce_input": b"commands.requests/0/0",
            "ce_causationid": f"/postavka/approval#{victim}/1".encode(),
            "ce_correlationid": b"of others",
            "dlq_corrects": b"billing/1",
            "dlq_stage": b"billing",
            "traceparent": b"00-" + b"0" * 32 + b"-zz",
        }
        chosen = self._chance.sample(sorted(headers), self._chance.randint(3, len(headers)))
        return self._of(kind, self._answer(victim), victim, *((name, headers[name]) for name in chosen))

    def unknown_type(self, kind: str) -> Hostile:
        """Another message's type, a version to come, none that is text."""
        victim = self._victim()
        type_name = self._chance.choice(
            (
                b"DistributorConfirmed.v1", b"Approved.v3", b"SubmitRequest.v1", b"BankPayment.v1", b"",
                b"DistributorConfirmation.v99", b"DistributorConfirmation", b"\xff", b"DistributorConfirmation.v1\x00",
            )
        )  # fmt: skip
        return self._of(kind, self._answer(victim), victim, ("ce_type", type_name))

    def other_key(self, kind: str) -> Hostile:
        """Under another request's key, none, or what is no key."""
        victim = self._victim()
        key = self._chance.choice((self._victim(), None, b"", b"\xff\xff", victim[:-1], victim + " ", "\x00"))
        return self._of(kind, self._answer(victim) if key != victim else {}, key)

    def tombstone(self, kind: str) -> Hostile:
        """Nothing, where something may have been."""
        return self._of(kind, None, self._victim())

    def elsewhere(self, kind: str) -> Hostile:
        """To a topic that is not the sender's: the broker refuses it."""
        victim = self._victim()
        body = json.dumps(self._answer(victim)).encode()
        headers: Headers = [("ce_type", b"DistributorConfirmation.v1")]
        return Hostile(kind, self._chance.choice(self._forbidden), body, victim.encode(), tuple(headers))


KINDS: Mapping[str, Callable[[Records, str], Hostile]] = {
    "forged answer": Records.forged_answer,
    "unknown request": Records.unknown_request,
    "other spelling": Records.other_spelling,
    "bad types": Records.bad_types,
    "bad JSON": Records.bad_json,
    "deep JSON": Records.deep_json,
    "NUL": Records.nul,
    "huge headers": Records.huge_headers,
    "forged envelope": Records.forged_envelope,
    "unknown type": Records.unknown_type,
    "other key": Records.other_key,
    "tombstone": Records.tombstone,
    "elsewhere": Records.elsewhere,
}
CLIMBING = "climbing times"
REPLAYED = "replayed"


def replayed(said: Iterable[Hostile], topic: str) -> Iterator[Hostile]:
    """The same once more, to this topic."""
    return (replace(each, kind=REPLAYED, topic=topic) for each in said)
