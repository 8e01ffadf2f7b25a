"""Hostile records of several distributors at once, each with its own credentials and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice

from events.topics import ALL_TOPICS, PER_DISTRIBUTOR, confirmations_of, notices_of
from postavka.app.broker_access.distributors import Distributors
from postavka.kernel.runtime.embedded import running
from tests.attack.outsider import PATIENCE_SECONDS, Ledger, Outsider
from tests.attack.records import KINDS, Hostile, Records, replayed
from tests.system.conftest import System
from tests.system.oracle import headers_of, read_raw
from tests.system.traffic import DISTRIBUTOR

ATTACKERS = ("dist-center", "dist-ural")
"""Distributors that no request of the attack names."""
Signed = Mapping[str, Mapping[str, str]]
"""Distributor → how its client signs in."""


@contextmanager
def signed_up(system: System, distributors: Sequence[str]) -> Iterator[Signed]:
    """How these distributors sign in at the outside door: users of their own, gone afterwards."""
    endpoints = running(system.launch.home)
    assert endpoints is not None
    with Distributors(system.config, endpoints.kafka_outside_bootstrap or "", "SASL_PLAINTEXT") as access:
        made = [(access.rotate if access.users(each) else access.add)(each) for each in distributors]
        try:
            yield {each.distributor_id: dict(line.split("=", 1) for line in each.kcat().splitlines()) for each in made}
        finally:
            for each in made:
                access.revoke(each.distributor_id, each.user)


class Flood:
    """Hostile records of all attackers, each in a thread of its own."""

    def __init__(self, signed: Signed, victims: Sequence[str], records: int, seconds: float, seed: int) -> None:
        """So many in all, for so long at most. `victims`: ids of requests that name no attacker."""
        self._signed = signed
        self.transactions: list[str] = []
        """Who could open one."""
        self._failed: list[BaseException] = []
        self._outsiders = {each: Outsider(signed[each], **{"compression.type": "zstd"}) for each in ATTACKERS}
        self._threads = []
        for number, each in enumerate(ATTACKERS):
            made = Records(seed + number, confirmations_of(each), forbidden(each), victims)
            share = records // len(ATTACKERS) + (number < records % len(ATTACKERS))
            self._threads.append(threading.Thread(target=self._run, args=(each, made, share, seconds), daemon=True))
            self._threads[-1].start()

    def _run(self, name: str, made: Records, records: int, seconds: float) -> None:
        try:
            began, climbing = time.monotonic(), records // (len(KINDS) + 1)
            outsider = self._outsiders[name]
            one_by_one = Outsider(self._signed[name], outsider.ledger, **{"linger.ms": 0, "batch.num.messages": 1})
            one_by_one.send(made.climbing(climbing), seconds)
            outsider.send(islice(made, records - climbing), seconds - (time.monotonic() - began))
            if outsider.opens_a_transaction():
                self.transactions.append(name)
        except BaseException as failed:  # handed to `join`
            self._failed.append(failed)

    def join(self) -> None:
        """Until all is out. Raises what went wrong."""
        for thread in self._threads:
            thread.join()
        for each in self._failed:
            raise each

    def replay(self, system: System, requests: Collection[str], records: int) -> None:
        """Answers to these requests once more: as they were by who gave them, and by another distributor."""
        own = confirmations_of(DISTRIBUTOR)
        said = [
            Hostile("", own, each.value(), each.key(), tuple(headers_of(each)))
            for each in read_raw(system.kafka, [own])
            if (each.key() or b"").decode(errors="replace") in requests
        ]
        again = [said[number % len(said)] for number in range(records)]
        thief = ATTACKERS[0]
        self._outsiders[thief].send(replayed(again[: records // 2], confirmations_of(thief)), PATIENCE_SECONDS)
        self._outsiders[DISTRIBUTOR] = Outsider(self._signed[DISTRIBUTOR])
        self._outsiders[DISTRIBUTOR].send(replayed(again[records // 2 :], own), PATIENCE_SECONDS)

    def ledger(self) -> Ledger:
        """Of all together."""
        whole = Ledger()
        for each in self._outsiders.values():
            whole.sent += each.ledger.sent
            whole.taken |= each.ledger.taken
            whole.refused += each.ledger.refused
        return whole


def forbidden(distributor_id: str) -> list[str]:
    """Every topic but the distributor's own."""
    others = [topic.name for topic in ALL_TOPICS if topic not in PER_DISTRIBUTOR]
    others += [confirmations_of(each) for each in (*ATTACKERS, DISTRIBUTOR) if each != distributor_id]
    return [*others, notices_of(distributor_id), notices_of(DISTRIBUTOR), "__consumer_offsets"]
