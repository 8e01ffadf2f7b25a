"""The module for 1C and the examples beside it: their syntax by the parser of BSL Language Server, and that what they
name is there. Nothing runs them: that would take the platform."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.cabinet.api import openapi
from services.feed.views import VIEWS
from tests.paths import PROJECT
from tests.validators.tools import jars, java

MODULE = PROJECT / "clients" / "1c" / "Postavka.bsl"
SYNTAX = Path(__file__).parent / "Syntax.java"
PAGES = (PROJECT / "docs" / "clients.md", PROJECT / "docs" / "distributors.md")
EXAMPLES = [each for page in PAGES for each in re.findall(r"^```bsl\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)]
LIBRARIES = ("bsl-parser", "antlr4", "utils")
MISTAKES = {
    "no-end": ("КонецЕсли;", ""),
    "word": ("Тогда", "Когда"),
    "bracket": ("(Ответ)", "(Ответ"),
    "sign": (" + ", " № "),
}
NAME = re.compile(r'"([a-z]+(?:_[a-z]+)*)"')


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the parser finds wrong, by the file's name: in the module, the examples, and where something was spoilt."""
    folder = tmp_path_factory.mktemp("1c")
    text = MODULE.read_text("utf-8")
    files = {"module": text} | {f"example-{number}": each for number, each in enumerate(EXAMPLES)}
    for name, (right, wrong) in MISTAKES.items():
        assert right in text
        files[name] = text.replace(right, wrong, 1)
    for name, content in files.items():
        (folder / f"{name}.bsl").write_text(content, "utf-8")
    known = jars()
    libraries = ":".join(str(known[each]) for each in LIBRARIES)
    compiled = java(
        "ecj", "-17", "-nowarn", "-proc:none", "-encoding", "UTF-8", "-classpath", libraries, "-d", folder, SYNTAX,
        main="org.eclipse.jdt.internal.compiler.batch.Main",
    )  # fmt: skip
    assert compiled.returncode == 0, compiled.stderr
    done = java(f"{folder}:{libraries}", *(folder / f"{name}.bsl" for name in files), main="Syntax")
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = {}
    for line in done.stderr.splitlines():
        if line.endswith(".bsl"):
            found[Path(line).stem] = []
        else:
            found[list(found)[-1]].append(line)
    assert found.keys() == files.keys()
    return found


def test_the_module_has_no_mistake_of_syntax(mistakes: dict[str, list[str]]):
    assert mistakes["module"] == []


def test_the_examples_have_no_mistake_of_syntax(mistakes: dict[str, list[str]]):
    assert len(EXAMPLES) == 3
    assert [each for name, lines in mistakes.items() if name.startswith("example-") for each in lines] == []


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_would_be_found(mistakes: dict[str, list[str]], name: str):
    assert mistakes[name]


def test_it_calls_and_reads_what_the_api_has():
    document = openapi.document()
    paths = [re.sub(r"{\w+}", "", each).replace("//", "/") for each in document["paths"]]
    text = MODULE.read_text("utf-8")
    for address in re.findall(r'"(/api/[^"?]+)', text):
        assert any(each.startswith(address) for each in paths), address
    fields = {field for each in document["components"]["schemas"].values() for field in each.get("properties", ())}
    told = {name for view in VIEWS.values() for name in view.partner}
    used = {name for each in (text, *EXAMPLES[1:]) for name in NAME.findall(each)} - {"pdf", "original", "retry-after"}
    assert {"request_id", "number", "reasons", "document_id"} <= used
    assert used <= fields | told | {"message"}


def test_the_events_that_it_knows_are_told():
    known = set(re.findall(r'ВидСобытия = "(\w+)"', MODULE.read_text("utf-8")))
    assert known <= {each.partition(".")[0] for each in VIEWS}
    assert {"PermissionIssued", "Rejected"} <= known


def test_examples_call_what_the_module_exports():
    exported = set(re.findall(r"^(?:Функция|Процедура) (\w+)\(.*\) Экспорт", MODULE.read_text("utf-8"), re.MULTILINE))
    called = {name for each in EXAMPLES for name in re.findall(r"Postavka\.(\w+)\(", each)}
    assert called
    assert called <= exported
