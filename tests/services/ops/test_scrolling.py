"""`postavka top` on a terminal: no line is out of reach, and none is out of the window."""

from __future__ import annotations

import os
import pty
import sys
from io import StringIO

import pytest
from rich.console import Console, Group
from rich.text import Text

from postavka.kernel.console import table
from services.ops import scrolling
from services.ops.scrolling import DOWN, END, PAGE_DOWN, PAGE_UP, QUIT, TOP, UP, Scrolled, keys, keys_in, show_live
from tests.kernel.polling import PATIENCE_SECONDS


def a_view(rows: int) -> Group:
    shown = table("Topics", "name", "records")
    for each in range(rows):
        shown.add_row(f"topic-{each}", "a rather long cell that a narrow window has to break somewhere")
    return Group(shown)


def drawn(scrolled: Scrolled, height: int = 24, width: int = 60) -> list[str]:
    console = Console(file=StringIO(), width=width, height=height)
    lines = console.render_lines(scrolled, console.options.update(height=height), pad=False)
    return ["".join(segment.text for segment in line).rstrip() for line in lines]


@pytest.mark.parametrize("height", [5, 24, 45])
def test_it_is_never_higher_or_wider_than_the_window(height: int) -> None:
    lines = drawn(Scrolled(a_view(40)), height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= 60
    assert "of" in lines[-1]
    assert "q ends" in " ".join(drawn(Scrolled(a_view(60)), height, 100))


def test_what_fits_is_shown_without_more_words() -> None:
    assert "q ends" not in " ".join(drawn(Scrolled(a_view(2)), 24, 100))


def test_every_line_can_be_scrolled_to_and_the_end_is_the_end() -> None:
    scrolled = Scrolled(a_view(40))
    seen = set(drawn(scrolled))
    for _ in range(20):
        scrolled.press(PAGE_DOWN)
        seen |= set(drawn(scrolled))
    assert {
        name for name in map("topic-{}".format, range(40)) if not any(line.startswith(name) for line in seen)
    } == set()
    last = drawn(scrolled)
    scrolled.press(DOWN)
    assert drawn(scrolled) == last
    scrolled.press(TOP)
    assert drawn(scrolled)[0] == "Topics"
    scrolled.press(UP)
    assert drawn(scrolled)[0] == "Topics"
    scrolled.press(END)
    assert drawn(scrolled) == last
    scrolled.press(PAGE_UP)
    assert drawn(scrolled) != last


def test_a_window_that_grows_shows_more() -> None:
    scrolled = Scrolled(a_view(20))
    drawn(scrolled)
    scrolled.press(END)
    assert "topic-19" in " ".join(drawn(scrolled))
    assert drawn(scrolled, 100)[0] == "Topics"


def test_keys_of_terminals_are_known() -> None:
    assert list(keys_in(b"\x1b[A\x1b[B\x1b[5~\x1b[6~gGxq")) == [UP, DOWN, PAGE_UP, PAGE_DOWN, TOP, END, QUIT]


def test_keys_come_from_a_keyboard_that_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    person, program = pty.openpty()
    with os.fdopen(program, "r") as keyboard:
        monkeypatch.setattr(sys, "stdin", keyboard)
        before = scrolling.termios.tcgetattr(program)
        with keys() as pressed:
            os.write(person, b"j")
            assert pressed(PATIENCE_SECONDS) == [DOWN]
        assert scrolling.termios.tcgetattr(program) == before
    os.close(person)


def test_q_ends_it_and_a_look_that_fails_is_not_kept_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    person, program = pty.openpty()
    with os.fdopen(program, "r") as keyboard:
        monkeypatch.setattr(sys, "stdin", keyboard)
        console = Console(file=StringIO(), width=60, height=24, force_terminal=True)
        os.write(person, b"q")
        show_live(lambda: Text("well"), 60, 0, console)
        with pytest.raises(ZeroDivisionError):
            show_live(lambda: Text(str(1 / 0)), 60, 0, console)
    os.close(person)
