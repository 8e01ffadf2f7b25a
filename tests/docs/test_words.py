"""One word has one meaning: no two public classes of the product have the same name."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAME_ON_PURPOSE = {
    "Facts": "what a decider has to know beside the message: every stage its own",
    "State": "what a decider folds: every stage its own",
    "Checkpoint": "of an input partition; and the signed head of a tree, as the verifier that stands alone calls it",
}
PUBLISHED = {
    Path("services/cabinet/api") / name for name in ("bodies.py", "meta.py", "models.py", "reference_models.py")
}
"""Names of the API's schemas, which clients know."""


def test_no_two_public_classes_have_the_same_name() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for top in ("events", "postavka", "services"):
        for path in sorted((ROOT / top).rglob("*.py")):
            if (place := path.relative_to(ROOT)) in PUBLISHED:
                continue
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    homes[node.name].append(str(place))
    assert {name: places for name, places in homes.items() if len(places) > 1 and name not in SAME_ON_PURPOSE} == {}


def test_modules_that_docs_start_are_there() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"python -m ([a-z_.]+[a-z_])", page.read_text("utf-8"))}
    assert {
        name for name in named if name.partition(".")[0] in ("postavka", "services") and not find_spec(name)
    } == set()


DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
FRAGMENT = re.compile(
    r"(Of|In|On|At|By|From|For|To|As|Until|Beside|Behind|Within|Into|Onto|Up|With|Without|Under|Like"
    r"|Not|None|True|False|See|Once|Again|L\d+)\b(?! \w+ (is|are|has|have)\b)"
)


def test_docstrings_are_sentences_with_a_subject() -> None:
    """A docstring says what a thing is: it begins with neither a preposition, nor a clause's number, nor a pointer to
    another one, and ends as sentences do."""
    assert [
        f"{place}:{name}: {text.splitlines()[0]}"
        for top in ("events", "postavka", "services", "bench")
        for path in sorted((ROOT / top).rglob("*.py"))
        if (place := path.relative_to(ROOT)).parts[:3] != ("services", "cabinet", "api")  # published: openapi.json
        and place.name != "__main__.py"
        for name, text in _docstrings(path)
        if FRAGMENT.match(text) or text.partition("\n\n")[0][-1] not in ".:?!`…)"
    ] == []


def test_whatever_is_public_has_a_docstring() -> None:
    """Modules, classes, functions and methods; of a property's setter the property speaks."""
    assert [
        f"{path.relative_to(ROOT)}: {name}"
        for top in ("events", "postavka", "services", "bench")
        for path in sorted((ROOT / top).rglob("*.py"))
        if (tree := ast.parse(path.read_text("utf-8"))).body
        for name, node in (("the module", tree), *_public(tree))
        if not ast.get_docstring(node)
    ] == []


def _public(within: ast.Module | ast.ClassDef) -> Iterator[tuple[str, DOCUMENTED]]:
    for node in within.body:
        if isinstance(node, DOCUMENTED) and not isinstance(node, ast.Module) and not node.name.startswith("_"):
            if not any(ast.unparse(each).endswith(".setter") for each in node.decorator_list):
                yield node.name, node
            if isinstance(node, ast.ClassDef):
                yield from ((f"{node.name}.{name}", inner) for name, inner in _public(node))


def _docstrings(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            yield getattr(node, "name", "the module"), text
