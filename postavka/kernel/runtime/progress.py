"""Says what is going on while something takes longer than a second or two."""

from __future__ import annotations

from typing import Protocol, Self

from rich.console import Console


class StepReporter(Protocol):
    """Told of every step; a step ends when its context does."""

    def step(self, text: str) -> ReportedStep:
        """Begin a step; `text` says what is being done."""
        ...


class ReportedStep(Protocol):
    """The context of one step; `note` adds how far it has come."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def note(self, text: str) -> None:
        """Show how far the step has come."""
        ...


class Silent:
    """A progress that shows nothing."""

    def step(self, text: str) -> Silent:
        """Begin a step that nobody sees."""
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def note(self, text: str) -> None:
        """Show nothing."""


class Spoken:
    """A spinner with elapsed time at a terminal, plain lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)

    def step(self, text: str) -> _SpokenStep:
        """Begin a step: its text turns while it lasts, and ends with a mark for success or failure."""
        return _SpokenStep(self.console, text)


class _SpokenStep:
    def __init__(self, console: Console, text: str) -> None:
        self._console = console
        self._text = text
        self._status = console.status(text) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        else:
            self._console.print(f"{self._text} …", highlight=False)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._status is not None:
            self._status.stop()
            mark = "[green]✓[/]" if exc[0] is None else "[red]✗[/]"
            self._console.print(f"{mark} {self._text}", highlight=False)

    def note(self, text: str) -> None:
        if self._status is not None:
            self._status.update(f"{self._text} [dim]{text}[/]")
