"""Every command that the documents show can be typed: it is there, and so are its options and the files it names.
`tests/system/test_readme.py` runs those of the README."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from cyclopts import CycloptsError

from postavka.app.cli.app import add_commands
from tests.paths import PROJECT

app = add_commands()
PAGES = (
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((PROJECT / "docs").glob("*.md")),
    *sorted(each for folder in ("adr", "history") for each in (PROJECT / "docs" / folder).glob("*.md")),
)
"""Without runbooks, whose commands have placeholders: `test_runbooks.py`."""
TARGETS = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
IN_A_LINE = re.compile(r"`(?:\.venv/bin/)?(postavka(?:-verify)? [^`]+|make(?: [^`]*)?|python -m [^`]+)`")
SOME_ID = "0b6f3f0c-6f0e-4f0a-9a53-4d3c4f0d5e11"
PLACEHOLDER = re.compile(r"[A-Z]+|‹.*›")
BLOCKS = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def lines_of(page: Path) -> list[str]:
    """Each line with a command of ours in the blocks of a page, continued lines joined."""
    lines = [line for block in BLOCKS.findall(page.read_text()) for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if re.search(r"\b(postavka|make|python3?) ", line)]


def commands_of(page: Path) -> list[list[str]]:
    """What a shell would start: the words of each command, without variables, pipes and redirections."""
    found = []
    for line in lines_of(page):
        words = shlex.shlex(line.replace("$ID", SOME_ID), posix=True, punctuation_chars="|&;<>()")
        words.whitespace_split = True
        command: list[str] = []
        for word in [*words, ";"]:
            if set(word) <= set("|&;<>()"):
                found.append(command)
                command = ["(a file)"] if set(word) <= set("<>") else []
            elif command or not re.fullmatch(r"[A-Z_]+=.*|export|sudo|exec", word):
                command.append(SOME_ID if PLACEHOLDER.fullmatch(word) else word)
    return [command for command in found if command]


BLOCK_COMMANDS = [
    pytest.param(words, id=f"{page.name}: {' '.join(words)[:60]}") for page in PAGES for words in commands_of(page)
]


@pytest.mark.parametrize("words", BLOCK_COMMANDS)
def test_a_command_in_a_block_can_be_typed(words: list[str]):
    program, *arguments = words
    match Path(program).name:
        case "postavka":
            assert_is_typed_rightly(arguments)
        case "make":
            assert {each for each in arguments if "=" not in each} <= TARGETS
        case "python" | "python3":
            assert_names_a_module(arguments)


def assert_is_typed_rightly(arguments: list[str]) -> None:
    if "--help" in arguments:
        arguments = [each for each in arguments if each != "--help"]
        assert not app.parse_commands(arguments)[2]
        return
    try:
        app.parse_args(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as wrong:
        pytest.fail(f"postavka {' '.join(arguments)}: {wrong}")


def assert_names_a_module(arguments: list[str]) -> None:
    if arguments[:1] == ["-m"] and arguments[1].split(".")[0] in ("services", "postavka", "bench"):
        path = PROJECT / arguments[1].replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
    for each in arguments:
        assert not (each.endswith(".py") and "/" in each) or (PROJECT / each).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_within_a_sentence_are_there(page: Path):
    for said in IN_A_LINE.findall(re.sub(BLOCKS, "", page.read_text())):
        program, *words = said.split()
        if program == "make":
            assert {word for word in words if "=" not in word} <= TARGETS, said
        elif program == "python":
            assert_names_a_module(words)
        elif program == "postavka":
            for each in said.removeprefix("postavka ").split(" | "):
                assert_is_there(each.split())


def assert_is_there(words: list[str]) -> None:
    plain = []
    for word in words:
        if not re.fullmatch(r"[a-z][a-z-]*", word):
            break
        plain.append(word)
    chain, apps, _ = app.parse_commands(plain)
    assert chain, f"postavka {' '.join(words)}"
    has_more = [name for name in apps[-1] if not name.startswith("-")]
    assert len(chain) == len(plain) or not has_more, f"postavka {' '.join(words)}: no such command"


def test_pages_have_been_found():
    assert len(BLOCK_COMMANDS) > 60
