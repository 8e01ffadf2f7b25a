"""Whether anything hostile had an effect, judged by the log alone. Imports nothing of the product.

The judge is itself judged: `DEFECTS` are what an accepted record would leave behind, and each must be found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from tests.attack.records import MARK
from tests.system.oracle import OF_PAPERS, Told

OF_NO_EFFECT = {"ConfirmationHeld", "ConfirmationRefused"}
"""What billing writes of an answer that does not count: that it came."""
Standing = Mapping[str, Counter[str]]


def standing(log: Sequence[Told], victims: Collection[str]) -> Standing:
    """Request → what has happened to it, but for answers without effect, and papers, which go out by themselves."""
    found: dict[str, Counter[str]] = {victim: Counter() for victim in victims}
    for told in log:
        subject = told.headers.get("ce_subject")  # tests beside leave records that say nothing of themselves
        if subject in found and told.name not in OF_NO_EFFECT | OF_PAPERS:
            found[subject][told.name] += 1
    return found


def accepted(log: Sequence[Told], taken: Mapping[str, str], before: Standing) -> list[str]:
    """Every effect of a hostile record. `taken`: `topic/partition/offset` of those that the broker has → kind;
    `before`: how the victims stood."""
    found = []
    for told in log:
        kind = taken.get(told.headers.get("ce_input", ""))
        ours = str(told.body.get("confirmation_id", "")).startswith(MARK)
        if (kind or ours) and told.name not in OF_NO_EFFECT:
            found.append(f"{kind or 'a hostile answer'} made {told.name} of {told.headers['ce_subject']}")
    for victim, after in standing(log, before).items():
        if after != before[victim]:
            found.append(f"{victim} is not as it was: {dict(after - before[victim])}")
    return found


def unseen(log: Sequence[Told], taken: Mapping[str, str], before: Standing) -> list[str]:
    """Names of planted defects that `accepted` does not find."""
    return [name for name, plant in DEFECTS.items() if not accepted([*log, plant(log, taken, before)], taken, before)]


def _event(log: Sequence[Told], name: str, subject: str, input: str = "", **body: str) -> Told:
    headers = {**log[0].headers, "ce_type": f"{name}.v1", "ce_subject": subject, "ce_input": input}
    return replace(log[0], key=subject, headers=headers, body=body)


Plant = Callable[[Sequence[Told], Mapping[str, str], Standing], Told]
DEFECTS: Mapping[str, Plant] = {
    "an answer counts that was held": lambda log, taken, before: _event(
        log, "DistributorConfirmed", "another", confirmation_id=f"{MARK}1"
    ),
    "a record is obeyed": lambda log, taken, before: _event(log, "DistributorDeclined", "another", next(iter(taken))),
    "a victim is withdrawn": lambda log, taken, before: _event(log, "RequestWithdrawn", next(iter(before))),
}
