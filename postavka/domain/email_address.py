"""E-mail addresses: the one reader of them, for every door at which an address enters, and for whoever writes to it.

An address that is taken here can be mailed by every server: its name is a dot-atom of ASCII (RFC 5321, 4.1.2), its
domain is in use on the Internet or could be (RFC 1123, RFC 5891). A domain of other alphabets is kept as people write
it and travels as punycode. Quoted names, address literals and names beyond ASCII (RFC 6531) are legal and refused: next
to no server takes them, and where they are typed they are mistakes.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Annotated

import idna
from pydantic import AfterValidator

from postavka.kernel.errors import UserError

LONGEST = 254
"""Characters of a whole address as it travels: a path of 256 without its angle brackets (RFC 5321, 4.5.3.1.3)."""
LONGEST_NAME = 64
"""Characters before the @ (RFC 5321, 4.5.3.1.1)."""
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ALPHABETS = ("CYRILLIC", "LATIN")


class BadAddress(UserError, ValueError):
    """A text is no address that can be mailed: the message says why in English, `russian` for people on pages. Neither
    repeats the text."""

    def __init__(self, english: str, russian: str) -> None:
        super().__init__(english)
        self.russian = russian


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """An address that can be mailed."""

    name: str
    """Before the @."""
    domain: str
    """As it travels: small ASCII letters, internationalised labels as punycode."""

    @property
    def ascii(self) -> str:
        """The address as it stands in SMTP and in headers."""
        return f"{self.name}@{self.domain}"

    @property
    def key(self) -> str:
        """The key by which addresses are compared: one text for all the ways to write this address. Servers could tell
        case apart before the @; none does."""
        return self.ascii.lower()


def read_address(text: str) -> EmailAddress:
    """The address that a text is. Blanks around it don't matter. Raises `BadAddress`."""
    name, at, domain = text.strip().rpartition("@")
    if not at or "@" in name:
        raise BadAddress("it must have one @", "В адресе почты должен быть один знак «@».")
    if not name:
        raise BadAddress("there is nothing before the @", "В адресе почты нет имени перед «@».")
    _check_name(name)
    address = EmailAddress(name, _domain(domain))
    if len(address.ascii) > LONGEST:
        raise BadAddress(f"it is longer than {LONGEST} characters", f"Адрес почты длиннее {LONGEST} знаков.")
    return address


def is_address(text: str) -> bool:
    """Can this be mailed?"""
    try:
        read_address(text)
    except BadAddress:
        return False
    return True


def checked_address(text: str) -> str:
    """The text without blanks around it. Raises `BadAddress` where it can't be mailed."""
    read_address(text)
    return text.strip()


AddressText = Annotated[str, AfterValidator(checked_address)]
"""Of a pydantic model: an address as it was typed, without blanks around it."""


def read_mailbox(text: str) -> tuple[str, EmailAddress]:
    """The name of a person or firm, which may be empty, and the address of `Name <name@example.ru>`, or of an address
    alone. Raises `BadAddress`."""
    name, address = parseaddr(text)
    return name, read_address(address or text)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        wrong = next(each for each in name if not _NAME.fullmatch(each))
        raise BadAddress(
            f"the part before the @ may have Latin letters, digits and a few signs, not {_named(wrong)}",
            f"Перед «@» можно писать только латинские буквы, цифры и знаки «.», «-», «_»: {_shown(wrong)} нельзя.",
        )
    if name.startswith(".") or name.endswith(".") or ".." in name:
        raise BadAddress(
            "before the @ a dot may not stand first, last, or beside another",
            "Перед «@» точка не может стоять в начале, в конце или рядом с другой точкой.",
        )
    if len(name) > LONGEST_NAME:
        raise BadAddress(
            f"it has more than {LONGEST_NAME} characters before the @",
            f"Перед «@» больше {LONGEST_NAME} знаков.",
        )
    if "=?" in name:  # a program that reads headers carelessly takes it for an encoded word
        raise BadAddress("the part before the @ may not have =?", "Перед «@» не может стоять «=?».")


def _domain(typed: str) -> str:
    wrong = next((each for each in typed if not (each.isalnum() or each in ".-" or unicodedata.combining(each))), None)
    if wrong is not None:
        raise BadAddress(
            f"a domain has letters, digits, hyphens and dots, not {_named(wrong)}",
            f"После «@» можно писать только буквы, цифры, дефисы и точки: {_shown(wrong)} нельзя.",
        )
    labels = typed.split(".")
    if len(labels) < 2 or not all(labels):
        raise BadAddress(
            "a domain has at least two parts with one dot between them, like example.ru",
            "После «@» должен стоять домен вида example.ru: части через одну точку.",
        )
    for label in labels:
        _check_alphabet(label)
    found = [_label(each) for each in labels]
    if found[-1].isdigit():
        raise BadAddress("a domain's last part is no number", "Домен не может кончаться числом: проверьте адрес.")
    return ".".join(found)


def _check_alphabet(label: str) -> None:
    """Cyrillic and Latin letters in one part of a domain: no registry allows that, since some look alike."""
    alphabets = [alphabet for alphabet in _ALPHABETS if any(alphabet in unicodedata.name(each, "") for each in label)]
    if len(alphabets) > 1:
        raise BadAddress(
            f"{label!r} mixes Latin letters with Cyrillic ones that look alike",
            f"В части домена «{label}» смешаны русские и латинские буквы: наберите её заново одной раскладкой.",
        )


def _label(typed: str) -> str:
    """The ASCII form of one part of a domain, as it travels."""
    try:
        label = typed.lower()
        if not label.isascii():
            label = idna.encode(label, uts46=True, std3_rules=True).decode()
        elif label.startswith("xn--"):
            idna.decode(label)
    except (idna.IDNAError, UnicodeError):
        label = ""
    if not _LABEL.fullmatch(label):
        raise BadAddress(
            f"{typed!r} can't be a part of a domain",
            f"«{typed}» не может быть частью домена: до 63 букв, цифр и дефисов, дефис не с краю.",
        )
    return label


def _named(character: str) -> str:
    return f"{character!r} ({unicodedata.name(character, 'no character')})"


def _shown(character: str) -> str:
    """A character for a reader who may not see it."""
    if character.isspace() or not character.isprintable():
        return "пробел или невидимый знак"
    return f"русскую букву «{character}»" if "CYRILLIC" in unicodedata.name(character, "") else f"«{character}»"
