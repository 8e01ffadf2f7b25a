"""The columns of a file of requests: named like the fields of the form, filled in with the words of its lists.

A choice may be written by its name or by its id; what is neither goes on as it is, and the rules say what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from postavka.domain.request_rules import REQUIRED
from postavka.web.spreadsheet.reading import MOST_ROWS, Column, Sheet
from postavka.web.spreadsheet.writing import SheetToWrite
from services.cabinet.bulk.rows import BulkRow
from services.cabinet.view.form import LABELS, Choices, Option, Typed

ANYWAY = "anyway"
WRONG = "wrong"
HEADINGS = {**LABELS, ANYWAY: "Всё равно отправить"}
COLUMNS = (
    *(Column(name, heading, name in REQUIRED and name != "contact_id") for name, heading in HEADINGS.items()),
    Column(WRONG, "Что исправить"),
)
"""`WRONG` stands in what we give back to be corrected, and is read by nobody."""
WIDTHS = {"base_delivery_id": 44, "product_id": 40, "buyer": 44, "distributor_id": 36, "comment": 30, WRONG: 70}
YES = frozenset(("да", "yes", "1", "true", "+"))


def rows_of(sheet: Sheet, lists: Choices, own_contact: str) -> list[BulkRow]:
    """The rows as the form would have them. Without a contact person it is `own_contact`: who sends it, or the only
    one."""
    chosen = {name: _by_word(options) for name, options in _options(lists).items()}
    found = []
    for row in sheet.rows:
        typed = {name: row.cells[name] for name in LABELS}
        for name, known in chosen.items():
            typed[name] = known.get(_plain(typed[name]), typed[name])
        typed["contact_id"] = typed["contact_id"] or own_contact
        for name in ("inn", "kpp", "registration_number"):
            typed[name] = "".join(typed[name].split())
        anyway = row.cells[ANYWAY].casefold() in YES
        found.append(BulkRow(row.number, Typed(**typed), as_typed=anyway, despite_twins=anyway))
    return found


def form_sheets(lists: Choices, rows: Sequence[BulkRow] = ()) -> tuple[SheetToWrite, SheetToWrite]:
    """The sheet to fill in, perhaps with rows to correct, and the words to choose from."""
    options = _options(lists)
    words = {name: {each.value: each.text for each in listed} for name, listed in options.items()}
    headings = {**HEADINGS, WRONG: "Что исправить"} if rows else HEADINGS
    places = list(headings)
    to_fill = SheetToWrite(
        "Заявки",
        list(headings.values()),
        [WIDTHS.get(name, 22) for name in headings],
        [line_of(each, words) for each in rows],
        to_fill=MOST_ROWS,
        choices={
            **{
                places.index(name): f"='Списки'!${letter}$2:${letter}${len(options[name]) + 1}"
                for name, letter in zip(options, "ABCD", strict=True)
                if options[name]
            },
            places.index(ANYWAY): ["да"],
        },
    )
    longest = max(map(len, options.values()), default=0)
    listed = [
        [options[name][number].text if number < len(options[name]) else "" for name in options]
        for number in range(longest)
    ]
    return to_fill, SheetToWrite("Списки", [LABELS[name] for name in options], [44] * len(options), listed)


def line_of(row: BulkRow, words: Mapping[str, Mapping[str, str]]) -> list[Any]:
    """The cells of a row that goes back to be corrected, with what is wrong at its end."""
    typed = asdict(row.typed)
    cells = [words.get(name, {}).get(typed[name], typed[name]) for name in LABELS]
    wrong = "; ".join(
        f"{LABELS.get(name, '')}: {text}" if name in LABELS else text for name, text in row.errors.items()
    )
    return [*cells, "да" if row.as_typed else "", wrong]


def _options(lists: Choices) -> dict[str, Sequence[Option]]:
    return {
        "contact_id": lists.contacts,
        "distributor_id": lists.distributors,
        "base_delivery_id": lists.base_deliveries,
        "product_id": lists.products,
    }


def _by_word(options: Sequence[Option]) -> dict[str, str]:
    """Ids by what people write; a word that stands for two stands for neither."""
    found: dict[str, str] = {}
    for each in options:
        word = _plain(each.text)
        found[word] = each.value if found.get(word, each.value) == each.value else ""
    return {word: value for word, value in found.items() if value} | {
        _plain(each.value): each.value for each in options
    }


def _plain(text: str) -> str:
    return " ".join(text.casefold().replace("ё", "е").split())
