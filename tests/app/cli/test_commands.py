"""The commands that are imported only when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cyclopts import App

from postavka.app.cli.app import add_commands
from postavka.app.registry import COMMANDS, load


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_where_the_table_says_and_says_the_same_of_itself(name: str):
    place, line = COMMANDS[name]
    found = load(place)
    assert name in (found.name if isinstance(found, App) else (found.__name__,))
    said = found.help if isinstance(found, App) else found.__doc__
    assert " ".join((said or "").split()).startswith(line.removesuffix("."))


def said_by(*arguments: str) -> list[str]:
    """What `postavka` prints, and in the last line what large libraries it has imported for that."""
    told = "import sys; from postavka.app.cli.app import add_commands; "
    told += "add_commands(sys.argv[1])(sys.argv[1:], result_action='return_value'); "
    told += "print([each for each in ('pyarrow', 'psycopg', 'aiokafka', 'pypdf', 'faust') if each in sys.modules])"
    return subprocess.run(
        [sys.executable, "-c", told, *arguments], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_asking_for_help_imports_none_of_them():
    *lines, imported = said_by("--help")
    assert imported == "[]"
    assert all(name in "\n".join(lines) for name in COMMANDS)


def test_help_of_a_command_is_whole():
    assert "they mend the seam" in " ".join(said_by("restore", "--help"))


def test_commands_can_be_added_again():
    assert add_commands() is add_commands()
