"""`postavka counterparty`: plays a counterparty on the local exchange operator."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from postavka.kernel.cli_options import JsonArray
from postavka.kernel.console import console, print_json, table
from postavka.kernel.errors import UserError
from postavka.kernel.id_beginning import one_of
from postavka.kernel.runtime.connection import connected
from services.documents import counterparty as play
from services.documents.operator.local import LocalOperator
from services.documents.settings import documents_settings, open_operator

counterparty = App(
    name="counterparty",
    help="Play a counterparty on the local exchange operator: what it has received, sign it, refuse it. For trying.",
)


@counterparty.command(name="list")
def received(*, inn: str | None = None, json: JsonArray = False) -> None:
    """What lies in the mailboxes.

    Parameters
    ----------
    inn
        Only in the one of this INN.
    """
    found = sorted(_local().mailbox(inn), key=lambda each: each.number)
    if json:
        print_json([{"message": each.message_id, "inn": each.to_inn, "file": each.file_name} for each in found])
        return
    shown = table(None, "message", "INN", "file", "our signature")
    for each in found:
        shown.add_row(each.message_id, each.to_inn, each.file_name, "yes" if each.signature else "no")
    console.print(shown if found else "nothing was sent yet")


@counterparty.command(name="sign")
def sign_received(message: str) -> None:
    """Sign a message as its recipient, with a certificate of the trial authority.

    Parameters
    ----------
    message
        As `counterparty list` shows it.
    """
    operator = _local()
    play.sign_received(operator, play.trial_authority(connected().home), _message(operator, message))
    console.print("signed; the answer arrives within seconds: `postavka documents list --state signed`")


@counterparty.command
def decline(message: str, reason: str) -> None:
    """Refuse to sign a message as its recipient.

    Parameters
    ----------
    message
        As `counterparty list` shows it.
    reason
        In the counterparty's words.
    """
    operator = _local()
    operator.decline(_message(operator, message), reason)
    console.print("declined")


@counterparty.command
def signature(file: Path, *, inn: str, out: Path | None = None) -> None:
    """Make a detached signature under any file, by a holder of this INN: to try what the portal and `sign` take.

    Parameters
    ----------
    file
        What to sign: the bytes issued, or the PDF.
    inn
        Whose certificate it is to be.
    out
        The signature's file, DER; FILE.sig if left out.
    """
    place = out or file.with_name(f"{file.name}.sig")
    place.write_bytes(play.trial_authority(connected().home).sign(file.read_bytes(), inn, inn))
    console.print(str(place), highlight=False, soft_wrap=True)


def _message(operator: LocalOperator, typed: str) -> str:
    return one_of("message", typed, (each.message_id for each in operator.mailbox(None)))


def _local() -> LocalOperator:
    operator = open_operator(connected(), documents_settings())
    if not isinstance(operator, LocalOperator):
        raise UserError("the exchange operator is a real one: its counterparties can't be played")
    return operator
