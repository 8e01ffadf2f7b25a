"""Tables of commands on a narrow terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from services.documents.cli import documents_table

REQUEST = "0b6f3f0c-6f0e-4f0a-9a53-4d3c4f0d5e11"


@pytest.mark.parametrize("document", ["act-343-316-767-443-379-166-298", "shipping-759-890-034-434-812-043-136"])
def test_ids_that_go_into_the_next_command_are_whole(document: str) -> None:
    out = io.StringIO()
    shown = documents_table([(REQUEST, document, "electronic to dist-center: dispatched, 27.11.2026 15:33")])
    Console(file=out, width=80).print(shown)
    assert f"{REQUEST}  {document}" in out.getvalue()
