"""What things are called is said in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from events.shipping import DocumentKind
from postavka.domain import wording
from services.cabinet.fold import STAGES

ROOT = Path(__file__).parents[2]
PRODUCT = ("postavka", "services")
NAMES = {
    *wording.DOCUMENTS.values(),
    *wording.RENDERING_HEADINGS.values(),
    *wording.TRANSFER_DOCUMENTS.values(),
    *wording.REQUEST_TYPES.values(),
}


def texts(path: Path) -> Iterator[str]:
    """The texts of a module or a template; of a module without its docstrings."""
    source = path.read_text("utf-8")
    if path.suffix != ".py":
        yield source
        return
    tree = ast.parse(source)
    docs = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in docs:
            yield each.value


def plain(text: str) -> str:
    """Without the difference of small and capital letters, and of ё and е."""
    return text.casefold().replace("ё", "е")


def test_documents_and_request_types_are_named_nowhere_else() -> None:
    repeated = {
        (str(path.relative_to(ROOT)), name)
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".html", ".js") and path != ROOT / "postavka/domain/wording.py"
        for text in texts(path)
        for name in NAMES
        if (plain(text).startswith(plain(name)) if path.suffix == ".py" else plain(name) in plain(text))
    }
    assert repeated == set()


def test_every_kind_and_stage_has_a_name() -> None:
    for table in (wording.DOCUMENTS, wording.DOCUMENT_FILES, wording.RENDERING_HEADINGS):
        assert set(table) == set(DocumentKind)
    assert tuple(wording.STAGES) == tuple(wording.STAGE_COLOURS) == STAGES


def test_a_kind_that_is_not_known_has_a_name_too() -> None:
    assert wording.document_name("act") == "Акт приема-передачи"
    assert wording.document_name("receipt") == wording.document_file("receipt") == "Документ"
