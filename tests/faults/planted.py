"""Is the judge awake? Defects are put into a good log, one at a time, and each must be found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from tests.system.oracle import Oracle, Rows, Told

Log = Sequence[Told]
Defect = Callable[[Log], Log]


def unseen(log: Log, orders: Log, plans: Mapping[str, str], rows: Rows) -> list[str]:
    """Names of planted defects that the oracle does not find."""
    return [name for name, plant in DEFECTS.items() if not Oracle(plant(log), orders).violations(plans, rows)]


def _first(log: Log, name: str) -> int:
    return next(index for index, told in enumerate(log) if told.name == name)


def _without(name: str, log: Log) -> Log:
    index = _first(log, name)
    return [*log[:index], *log[index + 1 :]]


def _again(name: str, log: Log) -> Log:
    told = log[_first(log, name)]
    return [*log, replace(told, offset=told.offset + 1_000_000)]


def _decided_again(name: str, log: Log) -> Log:
    """Twice, as by a decider that was asked twice: with an id and a position of its own."""
    told = log[_first(log, name)]
    same = [each for each in log if each.topic == told.topic]
    position = max(int(each.headers["ce_position"]) for each in same) + 1
    version = max(each.version for each in same if each.headers["ce_subject"] == told.headers["ce_subject"]) + 1
    headers = {
        **told.headers,
        "ce_position": str(position),
        "ce_id": f"{told.headers['ce_subject']}/{version}",
    }
    return [*log, replace(told, offset=told.offset + 1_000_000, headers=headers)]


def _exchanged(log: Log) -> Log:
    """Two events of a request in the wrong order."""
    one = _first(log, "ShippingOpened")
    subject, topic = log[one].headers["ce_subject"], log[one].topic
    two = next(
        index
        for index in range(one + 1, len(log))
        if log[index].headers["ce_subject"] == subject and log[index].topic == topic
    )
    changed = list(log)
    changed[one], changed[two] = log[two], log[one]
    return changed


def _with(name: str, body: Mapping[str, str], log: Log) -> Log:
    index = _first(log, name)
    told = log[index]
    return [*log[:index], replace(told, body={**told.body, **body}), *log[index + 1 :]]


def _same_number(log: Log) -> Log:
    return _with(
        "PermissionIssued",
        {"number": next(t.body["number"] for t in reversed(log) if t.name == "PermissionIssued")},
        log,
    )


def _before_the_gate(log: Log) -> Log:
    index = _first(log, "DistributorConfirmed")
    told = log[index]
    return [*log[:index], replace(told, headers={**told.headers, "ce_clock": "7" + "f" * 15}), *log[index + 1 :]]


def _elsewhere(log: Log) -> Log:
    index = _first(log, "Approved")
    return [*log[:index], replace(log[index], partition=(log[index].partition + 1) % 12), *log[index + 1 :]]


DEFECTS: dict[str, Defect] = {
    **{f"{name} is lost": partial(_without, name) for name in ("Activated", "DistributorConfirmed", "PaymentReceived")},
    **{f"{name} lies there twice": partial(_again, name) for name in ("Approved", "ShipmentIssued")},
    **{
        f"{name} is decided twice": partial(_decided_again, name)
        for name in ("ManufacturingOrdered", "PaymentReceived", "ServiceStarted")
    },
    "two events are exchanged": _exchanged,
    "a kopeck is missing": partial(_with, "PaymentReceived", {"due": "0.01"}),
    "a permission number is used again": _same_number,
    "manufactured before it was confirmed": _before_the_gate,
    "an event lies in another partition": _elsewhere,
    "a service runs a day longer": partial(_with, "ServiceStarted", {"service_until": "2099-01-01"}),
    "the cabinet shows another permission": partial(_with, "PermissionIssued", {"number": "1"}),
}
