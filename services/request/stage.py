"""Request on the log: the partners' commands come in."""

from __future__ import annotations

from events.commands import SubmitRequest, WithdrawRequest
from events.topics import REQUEST_COMMANDS
from postavka.kernel.stage.definition import Input, Stage
from services.request import decider


def inputs() -> list[Input]:
    """The same for every installation."""
    return [Input(REQUEST_COMMANDS.name, (SubmitRequest, WithdrawRequest))]


STAGE = Stage("request", inputs, decider.INITIAL, decider.decide, decider.evolve, gather_ms=15, begins=(SubmitRequest,))
