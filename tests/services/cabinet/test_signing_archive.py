"""Archives of signatures: each finds its document by its name, and an archive that is made to do harm is refused."""

from __future__ import annotations

import io
import zipfile

import pytest

from services.cabinet.signing.archive import (
    LARGEST_ARCHIVE,
    MOST_FILES,
    BadArchive,
    pack,
    read_signatures,
    stem_of,
)
from services.cabinet.signing.signature_file import LONGEST_SIGNATURE, read_signature


@pytest.mark.parametrize(
    "name",
    [
        "act-1.sig", "act-1.json.sig", "act-1.pdf.p7s", "ACT-1.PDF.P7S", "Подписи/act-1.xml.sgn", "a\\b\\act-1.sig.p7m",
    ],
)  # fmt: skip
def test_a_signature_is_known_by_its_files_name(name: str):
    assert stem_of(name) == stem_of("act-1.pdf") == "act-1"


def test_other_files_are_left_aside():
    data = pack([("act-1.pdf", b"%PDF"), ("act-1.pdf.sig", b"0\x01"), ("__MACOSX/._x", b""), ("a/b.p7s", b"0\x02")])
    assert [(each.name, each.content) for each in read_signatures(data)] == [
        ("act-1.pdf.sig", b"0\x01"),
        ("b.p7s", b"0\x02"),
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "не архив ZIP"),
        (b"PK\x03\x04broken", "не архив ZIP"),
        (b"x" * (LARGEST_ARCHIVE + 1), "больше 10 МБ"),
        (pack([("act-1.pdf", b"%PDF")]), "нет файлов подписи"),
        (pack([(f"{number}.sig", b"0") for number in range(MOST_FILES + 1)]), "файлов"),
        (pack([(f"{number}.sig", bytes(9_000_000)) for number in range(5)]), "слишком велики"),
    ],
)
def test_what_cannot_be_read_is_answered_with_what_to_do(data: bytes, said: str):
    with pytest.raises(BadArchive, match=said):
        read_signatures(data)


def test_a_file_too_long_for_a_signature_is_not_unpacked_and_a_lie_gets_nowhere():
    (found,) = read_signatures(pack([("act-1.sig", bytes(LONGEST_SIGNATURE + 1))]))
    assert read_signature(found.content) is None
    honest = pack([("act-1.sig", b"x" * 70_000)])
    with pytest.raises(BadArchive):
        read_signatures(honest.replace((70_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))


def test_a_password_is_told():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        made.writestr("act-1.sig", b"0")
    data = bytearray(target.getvalue())
    for start in (data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8):
        data[start] |= 1
    with pytest.raises(BadArchive, match="паролем"):
        read_signatures(bytes(data))
