"""A letter as it goes to a server: the standard library's message, in lines that every program reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.header import Header
from email.headerregistry import (
    Address,
    BaseHeader,
    HeaderRegistry,
    UniqueSingleAddressHeader,
    UniqueUnstructuredHeader,
    UnstructuredHeader,
)
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime

from postavka.domain.email_address import EmailAddress, read_address
from services.notices.channels.email.message import Email, domain_of
from services.notices.settings import NoticesSettings

LONGEST_LINE, LONGEST_WORD = 76, 75
"""Characters of a line with an encoded word, and of that word (RFC 2047, 2)."""
PLAIN = re.compile(r"[A-Za-z0-9 -]{1,60}")
"""A name that needs neither quotes nor code, and that no reader can take for anything else."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A letter as it goes to a server: addresses in ASCII, and its bytes (RFC 5322), lines ending in CRLF."""

    sender: str
    recipient: str
    content: bytes


class _Mailbox(UniqueSingleAddressHeader, BaseHeader):  # type: ignore[misc]  # typeshed and the library differ
    """A person with an address, which goes onto a line of its own where it doesn't fit behind the name."""

    def fold(self, *, policy: Policy) -> str:
        (person,) = self.addresses
        line = f"{self.name}: {_words(self.name, person.display_name, policy.linesep)}".rstrip()
        end = f"<{person.addr_spec}>{policy.linesep}"
        fits = len(line.rpartition(policy.linesep)[2]) + len(end) <= LONGEST_LINE + 1
        return f"{line} {end}" if fits or not person.display_name else f"{line}{policy.linesep} {end}"


class _Words(UniqueUnstructuredHeader, BaseHeader):  # type: ignore[misc]  # typeshed and the library differ
    """Words for people."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {_words(self.name, self, policy.linesep)}{policy.linesep}"


class _Verbatim(UnstructuredHeader, BaseHeader):
    """One long word of ASCII, which the library would make encoded words of: then it is no link any more."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


def _words(header: str, text: str, linesep: str) -> str:
    """A text in a header: as it is where that can be read in one way only, else as encoded words (RFC 2047).

    By the library's older encoder. Its newer one loses blanks that come between two encoded words, and lets lines grow
    (seen in Python 3.11.2).
    """
    if not text or PLAIN.fullmatch(text):
        return text
    # It counts the header's name in the first line, and not the blank that begins each further one.
    return Header(text, "utf-8", LONGEST_WORD, header[1:]).encode(linesep=linesep)


def _policy() -> Policy:
    headers = HeaderRegistry()
    for name in ("from", "to"):
        headers.map_to_type(name, _Mailbox)
    headers.map_to_type("subject", _Words)
    for name in ("references", "list-unsubscribe"):
        headers.map_to_type(name, _Verbatim)
    return SMTP.clone(max_line_length=LONGEST_LINE, header_factory=headers)


POLICY = _policy()


def to_outgoing(letter: Email, config: NoticesSettings) -> Outgoing:
    """The same letter gives the same bytes. Two forms of one text, the better one last (RFC 2046, 5.1.4). Raises
    `BadAddress` when the recipient has none that can be mailed."""
    name, sender = config.sender
    recipient = read_address(letter.recipient.address or "")
    message = EmailMessage(policy=POLICY)
    message["From"] = _mailbox(name, sender)
    message["To"] = _mailbox(letter.recipient.name, recipient)
    message["Subject"] = _one_line(letter.subject)
    message["Date"] = format_datetime(letter.happened_at)
    message["Message-ID"] = letter.message_id
    message["Auto-Submitted"] = "auto-generated"
    # All letters of a request are shown as one conversation.
    message["References"] = f"<request.{letter.request_id}@{domain_of(config)}>"
    if letter.off is not None:
        message["List-Unsubscribe"] = f"<{letter.off}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(letter.text, cte="base64")
    message.add_alternative(letter.html, subtype="html", cte="base64")
    message.set_boundary(f"=_{letter.id.hex}")  # base64 has no underscore
    return Outgoing(sender.ascii, recipient.ascii, message.as_bytes())


def _mailbox(name: str, address: EmailAddress) -> Address:
    return Address(_one_line(name), address.name, address.domain)


def _one_line(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
