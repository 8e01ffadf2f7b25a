"""Which ports are chosen for programs that are started here."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from postavka.kernel.runtime import ports
from postavka.kernel.runtime.ports import LOWEST, choose_ports, remembered_ports

NAMES = [f"service-{number}" for number in range(20)]


def test_no_port_is_one_that_an_outgoing_connection_could_get(tmp_path: Path) -> None:
    chosen = choose_ports(tmp_path / "ports.json", NAMES)
    first = int(ports.OUTGOING.read_text().split()[0])
    assert len(set(chosen.values())) == len(NAMES)
    assert all(LOWEST <= port < first for port in chosen.values())


@pytest.mark.parametrize("range_", ["1024\t65535\n", None])
def test_where_there_are_no_others_any_free_port_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, range_: str | None
) -> None:
    said = tmp_path / "range"
    if range_ is not None:
        said.write_text(range_)
    monkeypatch.setattr(ports, "OUTGOING", said)
    assert len(set(choose_ports(tmp_path / "ports.json", NAMES).values())) == len(NAMES)


def test_a_port_is_kept_until_somebody_else_has_it(tmp_path: Path) -> None:
    before = choose_ports(tmp_path / "ports.json", NAMES)
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", before[NAMES[0]]))
        somebody.listen()
        after = choose_ports(tmp_path / "ports.json", NAMES)
    assert after[NAMES[0]] != before[NAMES[0]]
    assert {name: after[name] for name in NAMES[1:]} == {name: before[name] for name in NAMES[1:]}


def test_no_port_is_another_programs_that_does_not_listen_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = tmp_path / "range"
    said.write_text(f"{LOWEST + 50} 60999")
    monkeypatch.setattr(ports, "OUTGOING", said)
    services, servers = tmp_path / ports.SERVICE_PORTS, tmp_path / ports.SERVER_PORTS
    first = choose_ports(services, NAMES, servers)
    second = choose_ports(servers, NAMES, services)
    assert len({*first.values(), *second.values()}) == 2 * len(NAMES)
    services.write_text(servers.read_text())  # chosen by an earlier release
    assert not {*choose_ports(services, NAMES, servers).values()} & {*second.values()}


def test_a_file_that_a_power_cut_has_emptied_is_chosen_anew(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("")
    assert remembered_ports(tmp_path / "ports.json") == {}
    assert set(choose_ports(tmp_path / "ports.json", ["kafka"])) == {"kafka"}
