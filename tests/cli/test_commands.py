"""The commands that are imported only when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from postavka.cli.app import LAZY, app


@pytest.mark.parametrize("name", LAZY)
def test_a_command_is_where_the_table_says_and_says_the_same_of_itself(name: str):
    own = " ".join((app[name].help or "").split())
    assert own.startswith(LAZY[name][1].removesuffix("."))


def test_asking_for_help_imports_none_of_them():
    told = "import sys; from postavka.cli.app import app; app(['--help'], result_action='return_value'); "
    told += "print([each for each in ('pyarrow', 'psycopg', 'aiokafka', 'pypdf', 'faust') if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(name in done.stdout for name in LAZY)
