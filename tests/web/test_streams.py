"""The page of streams and services: how old its figures are while a server is away, and what services say."""

from __future__ import annotations

import pytest

from services.ops.lag import ServiceState, Streams
from tests.web.conftest import Site


class LastLook:
    """A probe that can't look any more."""

    def __init__(self, age: float) -> None:
        self.age = age

    def look(self) -> Streams:
        said = {"revocation_lists_unreadable": "ca.crl", "revocation_lists_ended": None}
        return Streams([], [], [ServiceState("shipping", None, "0.1.0", None, None, said)], None)


@pytest.mark.parametrize(("age", "old"), [(1.0, False), (90.0, True)])
def test_figures_of_before_are_shown_with_their_age(site: Site, monkeypatch: pytest.MonkeyPatch, age: float, old: bool):
    monkeypatch.setattr(site.app.state, "ops_probe", LastLook(age), raising=False)
    text = site.person("ops").get("/ops/streams").text.replace("\N{NO-BREAK SPACE}", " ")
    assert ("Показано то, что было 1,5 мин назад" in text) is old
    assert ("Kafka или PostgreSQL не отвечает" in text) is old


def test_a_revocation_list_that_can_not_be_read_is_named_beside_its_service(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(site.app.state, "ops_probe", LastLook(1.0), raising=False)
    text = site.person("ops").get("/ops/streams").text
    assert "не читаются списки отзыва: ca.crl" in text
    assert "кончились списки отзыва" not in text
