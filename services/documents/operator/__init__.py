"""The exchange operator (оператор ЭДО), through which documents travel electronically (L14, L15).

`interface` says what an operator does; `diadoc` talks to a real one, `local` keeps mailboxes in a folder.
"""

from services.documents.operator.interface import (
    Answer,
    Declined,
    ExchangeOperator,
    Letter,
    OperatorAway,
    OperatorRefuses,
    Sent,
    SignedBack,
)

__all__ = [
    "Answer",
    "Declined",
    "ExchangeOperator",
    "Letter",
    "OperatorAway",
    "OperatorRefuses",
    "Sent",
    "SignedBack",
]
