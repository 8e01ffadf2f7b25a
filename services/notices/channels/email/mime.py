"""An e-mail as it goes to a server: the standard library's message, in lines that every program reads."""

from __future__ import annotations

import re
from base64 import encodebytes
from dataclasses import dataclass
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.utils import format_datetime
from functools import lru_cache

from postavka.domain.email_address import EmailAddress, read_address
from services.notices.channels.email.message import Email, domain_of
from services.notices.settings import NoticesSettings

LONGEST_LINE, LONGEST_WORD = 76, 75
"""Characters of a line with an encoded word, and of that word (RFC 2047, 2)."""
PLAIN = re.compile(r"[A-Za-z0-9 -]{1,60}")
"""A name that needs neither quotes nor code, and that no reader can take for anything else."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An e-mail as it goes to a server: addresses in ASCII, and its bytes (RFC 5322), lines ending in CRLF."""

    sender: str
    recipient: str
    content: bytes


class _Header(str):
    """A header as it is written, folded already. The library neither parses it nor folds it anew, which takes ten times
    as long as all else that is done for an e-mail, and makes encoded words of a long link."""

    name: str

    def __new__(cls, name: str, value: str) -> _Header:
        made = super().__new__(cls, value)
        made.name = name
        return made

    def fold(self, *, policy: Policy) -> str:
        """The header as one line; the text is encoded and folded already."""
        return f"{self.name}: {self}{policy.linesep}"


class _Once(EmailPolicy):
    """Every header of an e-mail stands in it once."""

    def header_max_count(self, name: str) -> int:
        return 1


POLICY = _Once(max_line_length=LONGEST_LINE, linesep="\r\n", cte_type="7bit")
BOUNDARY = "=_letter"
"""Between the parts, which are in base64: that has no underscore."""


def to_outgoing(email: Email, config: NoticesSettings) -> Outgoing:
    """The same e-mail gives the same bytes. Two forms of one text, the better one last (RFC 2046, 5.1.4). Raises
    `BadAddress` when the recipient has none that can be mailed."""
    name, sender = config.sender
    recipient = read_address(email.recipient.address or "")
    message = _part("multipart/alternative", f'boundary="{BOUNDARY}"')
    for header, value in (
        ("From", _mailbox("From", name, sender)),
        ("To", _mailbox("To", email.recipient.name, recipient)),
        ("Subject", _words("Subject", email.subject)),
        ("Date", format_datetime(email.happened_at)),
        ("Message-ID", email.message_id),
        ("Auto-Submitted", "auto-generated"),
        # All e-mails of a request are shown as one conversation.
        *(
            [("References", f"<request.{email.request_id}@{domain_of(config)}>")]
            if email.request_id is not None
            else []
        ),
        *([("List-Unsubscribe", f"<{email.off}>")] if email.off is not None else []),
        *([("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")] if email.off is not None else []),
        ("MIME-Version", "1.0"),
    ):
        message[header] = _Header(header, value)
    message.set_payload([_text("plain", email.text), _text("html", email.html)])
    return Outgoing(sender.ascii, recipient.ascii, message.as_bytes())


def _part(kind: str, parameter: str) -> EmailMessage:
    part = EmailMessage(policy=POLICY)
    part["Content-Type"] = _Header("Content-Type", f"{kind}; {parameter}")
    return part


def _text(form: str, text: str) -> EmailMessage:
    part = _part(f"text/{form}", 'charset="utf-8"')
    part["Content-Transfer-Encoding"] = _Header("Content-Transfer-Encoding", "base64")
    lines = b"".join(line + b"\r\n" for line in text.encode().splitlines())
    part.set_payload(encodebytes(lines).decode("ascii"))
    return part


def _mailbox(header: str, name: str, address: EmailAddress) -> str:
    """A person with an address, which goes onto a line of its own where it doesn't fit behind the name."""
    words, mailbox = _words(header, name), f"<{address.ascii}>"
    if not words:
        return mailbox
    fits = len(f"{header}: {words}".rpartition(POLICY.linesep)[2]) + 1 + len(mailbox) <= LONGEST_LINE
    return f"{words} {mailbox}" if fits else f"{words}{POLICY.linesep} {mailbox}"


@lru_cache(1_000)
def _words(header: str, text: str) -> str:
    """A text in a header, in one line for its reader: as it is where that can be read in one way only, else as encoded
    words (RFC 2047).

    By the library's older encoder. Its newer one loses blanks that come between two encoded words, and lets lines grow
    (seen in Python 3.11.2).
    """
    text = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    if not text or PLAIN.fullmatch(text):
        return text
    # It counts the header's name in the first line, and not the blank that begins each further one.
    return Header(text, "utf-8", LONGEST_WORD, header[1:]).encode(linesep=POLICY.linesep)
