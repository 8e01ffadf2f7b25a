"""A live view on a terminal: it fits, what does not fit is scrolled to, and keys are obeyed at once."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

KEY_SECONDS = 0.1
"""The longest between two looks at keys, at the size of the terminal, and at whether there is something new."""
UP, DOWN, PAGE_UP, PAGE_DOWN, TOP, END, QUIT = "up", "down", "page up", "page down", "top", "end", "quit"
KEYS = {
    b"\x1b[A": UP, b"\x1bOA": UP, b"k": UP,
    b"\x1b[B": DOWN, b"\x1bOB": DOWN, b"j": DOWN, b"\n": DOWN, b"\r": DOWN,
    b"\x1b[5~": PAGE_UP, b"b": PAGE_UP,
    b"\x1b[6~": PAGE_DOWN, b" ": PAGE_DOWN,
    b"\x1b[H": TOP, b"\x1bOH": TOP, b"\x1b[1~": TOP, b"g": TOP,
    b"\x1b[F": END, b"\x1bOF": END, b"\x1b[4~": END, b"G": END,
    b"q": QUIT, b"Q": QUIT,
}  # fmt: skip


class Scrolled:
    """A part of a view, as high as the terminal, with a line below that says which and how to move."""

    def __init__(self, view: RenderableType) -> None:
        self.view = view
        self.first = 0
        self._page = 1

    def press(self, key: str) -> None:
        """Move; what is beyond the end is found out when it is drawn."""
        steps = {UP: -1, DOWN: 1, PAGE_UP: -self._page, PAGE_DOWN: self._page, TOP: -self.first, END: 1_000_000}
        self.first = max(0, self.first + steps[key])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self.view, options.update(height=None), pad=False)
        height = options.height or console.height
        if len(lines) <= height:
            self.first = 0
            shown = lines
        else:
            self._page = max(1, height - 1)
            self.first = min(self.first, len(lines) - self._page)
            shown = lines[self.first : self.first + self._page]
        for line in shown:
            yield from line
            yield Segment.line()
        if len(lines) > height:
            place = f"lines {self.first + 1} to {self.first + len(shown)} of {len(lines)}"
            yield Text(f"{place}; arrows, page up and down, g, G; q ends", "reverse", no_wrap=True, overflow="ellipsis")


def show_live(look: Callable[[], RenderableType], seconds: float, rounds: int, console: Console) -> None:
    """Look again every so many seconds, `rounds` times (0: until somebody presses q or Ctrl-C)."""
    scrolled = Scrolled(Text("looking …"))
    news, over = threading.Event(), threading.Event()

    failed: list[Exception] = []

    def go_on_looking() -> None:
        done = 0
        while not over.is_set():
            try:
                scrolled.view = look()
            except Exception as error:  # raised where somebody sees it
                failed.append(error)
                over.set()
            done += 1
            news.set()
            if rounds and done >= rounds:
                over.set()
            over.wait(seconds)

    looking = threading.Thread(target=go_on_looking, daemon=True)
    with keys() as pressed, Live(scrolled, console=console, auto_refresh=False, screen=True) as live:
        looking.start()
        size = console.size
        while not over.is_set():
            for key in pressed(KEY_SECONDS):
                if key == QUIT:
                    over.set()
                else:
                    scrolled.press(key)
                    news.set()
            if news.is_set() or console.size != size:
                news.clear()
                size = console.size
                live.refresh()
    for error in failed:
        raise error


@contextmanager
def keys() -> Iterator[Callable[[float], list[str]]]:
    """A function that waits so many seconds for keys and returns the first; none where nobody sits at a keyboard."""
    if not sys.stdin.isatty():
        yield nobody_presses
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard, termios.TCSANOW)  # what was typed meanwhile counts

    def pressed(seconds: float) -> list[str]:
        if not select.select([keyboard], [], [], seconds)[0]:
            return []
        return list(keys_in(os.read(keyboard, 1024)))

    try:
        yield pressed
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def nobody_presses(seconds: float) -> list[str]:
    """Wait in place of a keyboard that is not there."""
    time.sleep(seconds)
    return []


def keys_in(data: bytes) -> Iterator[str]:
    """The keys that a terminal has sent; what means nothing here is left out."""
    while data:
        sequence = next((each for each in sorted(KEYS, key=len, reverse=True) if data.startswith(each)), None)
        if sequence is not None:
            yield KEYS[sequence]
        data = data[len(sequence or b"?") :]
