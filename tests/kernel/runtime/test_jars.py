"""Jars are what their list says, or nothing is started with them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from postavka.kernel.runtime import jars
from postavka.kernel.runtime.jars import Jar, WrongJars, fetched, jars_of


def listed(name: str, content: bytes) -> Jar:
    return Jar("org.example", name, "1.0", hashlib.sha256(content).hexdigest())


def test_a_list_is_read_in_its_order():
    one, two = listed("one", b"1"), listed("two", b"2")
    assert jars_of("".join(f"{jar.coordinate}  {jar.sha256}\n" for jar in (two, one))) == [two, one]


def test_jars_that_are_here_are_not_fetched(tmp_path: Path):
    (tmp_path / "one-1.0.jar").write_bytes(b"1")
    for _ in range(2):
        assert fetched(tmp_path, [listed("one", b"1")], "One") == [tmp_path / "one-1.0.jar"]


def test_a_jar_that_was_changed_is_refused(tmp_path: Path):
    (tmp_path / "one-1.0.jar").write_bytes(b"another")
    with pytest.raises(WrongJars, match="somebody changed it"):
        fetched(tmp_path, [listed("one", b"1")], "One")


def test_a_jar_that_no_list_names_is_refused_after_the_others_were_right(tmp_path: Path):
    (tmp_path / "one-1.0.jar").write_bytes(b"1")
    fetched(tmp_path, [listed("one", b"1")], "One")
    (tmp_path / "stranger.jar").write_bytes(b"1")
    with pytest.raises(WrongJars, match=r"stranger\.jar is not in our list"):
        fetched(tmp_path, [listed("one", b"1")], "One")


def test_a_jar_of_an_older_list_is_removed(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / f"{name}-1.0.jar").write_bytes(b"1")
    fetched(tmp_path, [listed("one", b"1"), listed("two", b"1")], "Both")
    fetched(tmp_path, [listed("two", b"1")], "Two")
    assert [path.name for path in tmp_path.glob("*.jar")] == ["two-1.0.jar"]


def test_it_is_removed_also_where_the_new_list_has_a_jar_to_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jars, "_fetch", lambda jar, folder, staging: (folder / jar.file).write_bytes(b"1"))
    fetched(tmp_path, [listed("one", b"1")], "One")
    fetched(tmp_path, [listed("two", b"1")], "Two")
    assert [path.name for path in tmp_path.glob("*.jar")] == ["two-1.0.jar"]
