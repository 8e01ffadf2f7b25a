"""The rows of many requests: what was typed, the id of its request, what is wrong with it, whether it has been sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Literal
from uuid import UUID, uuid5

from postavka.web.idempotency import NAMESPACE
from services.cabinet.view.form import Typed

RowState = Literal["ready", "wrong", "sent", "already"]


@dataclass(frozen=True, slots=True)
class BulkRow:
    """One row. `number` is that of the file, or the place in a call, from 0."""

    number: int
    typed: Typed
    as_typed: bool = False
    """It goes out although the tax register knows another client."""
    despite_twins: bool = False
    """It goes out although the same is asked for already."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """What is wrong, by field; of the whole row under an empty name."""
    anyway_helps: bool = False
    """What is wrong is a doubt: whoever is sure may send it all the same."""
    already: bool = False
    """Its request was there before."""
    sent: bool = False
    price: str = ""
    """Roubles, by today's price list."""

    @property
    def request_id(self) -> UUID:
        """The id of the request that it becomes."""
        return UUID(self.typed.request_id)

    @property
    def state(self) -> RowState:
        """Where it stands, in one word."""
        return "sent" if self.sent else "already" if self.already else "wrong" if self.errors else "ready"

    @property
    def is_ready(self) -> bool:
        """It can be sent."""
        return self.state == "ready"


def sum_of(rows: Sequence[BulkRow]) -> Decimal:
    """Roubles, of all together."""
    return sum((Decimal(each.price) for each in rows if each.price), Decimal(0))


def content_ids(rows: Sequence[BulkRow], partner_id: str, tries: Mapping[int, int]) -> list[BulkRow]:
    """The rows with ids made of what they say, so that the same row of whatever file is the same request; of equal rows
    of one file each has its own. `tries`: by number of a row, how many requests of this content are over, so that it
    may be asked for anew."""
    seen: Counter[str] = Counter()
    found = []
    for row in rows:
        said = asdict(replace(row.typed, request_id="", filled="")) | {"anyway": row.as_typed}
        content = "\x1f".join(f"{name}={value}" for name, value in sorted(said.items()) if value)
        made = uuid5(NAMESPACE, f"{partner_id}|row|{content}|{seen[content]}|{tries.get(row.number, 0)}")
        seen[content] += 1
        found.append(replace(row, typed=replace(row.typed, request_id=str(made))))
    return found
