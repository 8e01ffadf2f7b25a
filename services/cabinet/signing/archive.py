"""Archives of documents and of their signatures. Pure.

A document lies in its archive twice: the exact bytes that were issued, and the PDF. Either may be signed. A signature
is known by its file's name, which is that of the signed file with `.sig`, `.p7s` or the like behind it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from services.cabinet.signing.signature_file import LONGEST_SIGNATURE

LARGEST_ARCHIVE = 10_000_000
"""Bytes as it comes."""
MOST_FILES = 1_000
LARGEST_UNPACKED = 40_000_000
ENDINGS = frozenset((".sig", ".sgn", ".p7s", ".p7m"))
LONGEST_NAME = 200


class BadArchive(Exception):
    """The archive can't be read at all; the text says why and what to do, in Russian."""


@dataclass(frozen=True, slots=True)
class SignatureFile:
    """A file of the archive. `stem`: the name of what it signs, in small letters and without its ending."""

    name: str
    stem: str
    content: bytes


def pack(files: Iterable[tuple[str, bytes]]) -> bytes:
    """The archive of these files, by name."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files:
            made.writestr(name, content)
    return target.getvalue()


def stem_of(name: str) -> str:
    """The name by which a document and its signature find one another: without folders, endings of signatures, and
    the ending of the document."""
    plain = PurePosixPath(name.replace("\\", "/")).name.casefold()
    while PurePosixPath(plain).suffix in ENDINGS:
        plain = PurePosixPath(plain).stem
    return plain.removesuffix(".xml").removesuffix(".json").removesuffix(".pdf")


def read_signatures(data: bytes) -> Sequence[SignatureFile]:
    """The signatures in an archive; other files in it are left aside. Raises `BadArchive`.

    What an archive declares is what is unpacked: `zipfile` reads no byte beyond it.
    """
    if len(data) > LARGEST_ARCHIVE:
        raise BadArchive(f"Архив больше {LARGEST_ARCHIVE // 1_000_000} МБ. Разделите его на несколько.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            listed = parts.infolist()
            if len(listed) > MOST_FILES:
                raise BadArchive(f"В архиве больше {MOST_FILES} файлов. Разделите его на несколько.")
            signatures = [each for each in listed if PurePosixPath(each.filename.casefold()).suffix in ENDINGS]
            if sum(each.file_size for each in signatures) > LARGEST_UNPACKED:
                raise BadArchive("Подписи в архиве слишком велики. Нужны отсоединённые подписи, без самих документов.")
            found = [_signature(parts, each) for each in signatures]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        raise BadArchive("Это не архив ZIP, или он повреждён или закрыт паролем.") from None
    if not found:
        raise BadArchive("В архиве нет файлов подписи: .sig, .sgn, .p7s или .p7m.")
    return found


def _signature(parts: zipfile.ZipFile, listed: zipfile.ZipInfo) -> SignatureFile:
    """A file that is too long for a signature is not unpacked and counts as empty."""
    content = parts.read(listed) if listed.file_size <= LONGEST_SIGNATURE else b""
    name = PurePosixPath(listed.filename.replace("\\", "/")).name
    return SignatureFile(name[:LONGEST_NAME], stem_of(listed.filename), content)
