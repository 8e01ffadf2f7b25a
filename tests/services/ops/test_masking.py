"""What of a record is covered until somebody asks for all of it."""

from __future__ import annotations

import json

import pytest

from services.ops.masking import COVER, masked, masked_bytes, masked_headers, readable

ID = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    "plain",
    [
        ID,
        f"{ID}/12",
        "2026-11-30",
        "2026-11-30T17:40:40.123Z",
        "2026-11-30T17:40:40+03:00",
        "12500.00",
        "1000001",
        "lukomor",
        "dist-north",
        "act",
        "awaiting-confirmation",
        "commands.requests",
    ],
)
def test_ids_moments_sums_and_code_words_stay_readable(plain: str) -> None:
    assert masked(plain) == plain


@pytest.mark.parametrize(
    "text",
    [
        "ООО «Рога»",
        "anna@firm.example",
        "+7 916 000-00-00",
        "79160000000",
        "7707083893",
        "Anna",
        "K7QF-22LM",
        "two words",
        "enc:v1:AAAAAAAAAAA:AAAA",
        "a" * 41,
        "x@y",
        "12500.001",
        ID + "\n",
    ],
)
def test_every_other_text_is_covered(text: str) -> None:
    assert masked(text) == COVER
    assert masked_bytes(text.encode()) == COVER
    assert text not in masked_bytes(json.dumps({"a": [text], "b": {"c": text}}).encode())


def test_numbers_are_readable_but_those_as_long_as_a_telephones() -> None:
    assert masked({"accepted": True, "months": 12, "sum": 1.5, "none": None, "phone": 79160000000}) == {
        "accepted": True,
        "months": 12,
        "sum": 1.5,
        "none": None,
        "phone": COVER,
    }


def test_names_of_fields_are_no_way_out() -> None:
    assert masked({"ООО «Рога»": 1, "anna@firm.example": 2, "kind": 3}) == {COVER: 2, "kind": 3}


def test_what_is_no_json_is_covered_whole() -> None:
    assert masked_bytes(b"\xff\xfe anna") == COVER
    assert masked_bytes(b'"anna@firm.example"') == COVER
    assert masked_bytes(None) == ""


def test_headers_of_the_envelope_are_shown_and_others_covered() -> None:
    headers = (("ce_type", b"Approved.v1"), ("ce_id", f"{ID}/1".encode()), ("note", "Анна".encode()), ("Анна", b"1"))
    assert masked_headers(headers) == [
        ("ce_type", "Approved.v1"),
        ("ce_id", f"{ID}/1"),
        ("note", COVER),
        (COVER, "1"),
    ]


def test_all_of_a_record_is_readable_whatever_it_is() -> None:
    assert readable('{"a":"Анна"}'.encode()) == '{\n  "a": "Анна"\n}'
    assert readable("Анна".encode()) == "Анна"
    assert readable(b"\xff") == "base64:/w=="
