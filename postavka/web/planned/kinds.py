"""What kinds of commands can be sent later: each service names its own in its `site.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from postavka.web.identity.principal import Principal
from postavka.web.state import Web

Fields = Mapping[str, Any]
"""What a planned command is made of, as JSON, with the ids that make its repetition harmless."""


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What became of it. `said`: a sentence for people, in Russian. `not_sent`: what was announced to the log and was
    left, by its id, and why."""

    sent: bool
    said: str
    not_sent: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommandKind:
    """One kind. `send` judges by the state of the moment, and sends; it may be called again for the same fields after
    a crash, so it goes by their ids. Raises `Problem` where it can't be done any more, `NotSentYet` or an error of
    PostgreSQL where a server is away."""

    name: str
    send: Callable[[Web, Principal, Fields], Awaitable[CommandOutcome]]
