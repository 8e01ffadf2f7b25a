"""Ids that are made here begin with the time, rise within a process, and are of RFC 9562's version 7."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from uuid import RFC_4122

import pytest

from postavka.kernel import ids
from postavka.kernel.ids import new_id


def test_an_id_is_of_version_7_and_begins_with_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000 + 1


def test_ids_rise_though_the_clock_stands_or_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_id()
    monkeypatch.setattr(ids, "time", SimpleNamespace(time_ns=lambda: 0))
    made = [first, *(new_id() for _ in range(10_000))]
    assert made == sorted(set(made))


def test_threads_never_make_the_same() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [each for some in pool.map(lambda _: [new_id() for _ in range(1_000)], range(8)) for each in some]
    assert len({each.int >> 64 for each in made}) == len(made)
