"""The exchange operator (оператор ЭДО), through which documents travel electronically (L14, L15).

`interface` says what an operator does; `diadoc` talks to a real one, `local` keeps mailboxes in a folder.
"""

from services.documents.operator.interface import (
    Declined,
    ExchangeOperator,
    OperatorAway,
    OperatorEvent,
    OperatorRefuses,
    OutgoingDocument,
    SignedBack,
    TakenByOperator,
)

__all__ = [
    "Declined",
    "ExchangeOperator",
    "OperatorAway",
    "OperatorEvent",
    "OperatorRefuses",
    "OutgoingDocument",
    "SignedBack",
    "TakenByOperator",
]
