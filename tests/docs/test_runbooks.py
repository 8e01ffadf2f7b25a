"""Runbooks say what is there: every command is one that the command line takes, every name one that exists."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess

import pytest
from pydantic_settings import BaseSettings

from postavka.app.cli.app import add_commands
from postavka.app.registry import SERVICES
from tests.deploy.test_observability import base, ours
from tests.docs.runbooks import PAGES, PLACEHOLDER, blocks, commands, inline
from tests.paths import PROJECT

SOME = {
    "STAGE": "billing",
    "LETTER": "billing/1",
    "REQUEST": "6f9c0000-0000-4000-8000-000000000000",
    "SERVICE": "billing",
    "FILE": "pyproject.toml",
    "PID": "1",
    "HOME": ".postavka",
    "URL": "http://127.0.0.1:1",
}
SETTINGS = (
    ("postavka.kernel.settings", "Settings"),
    ("services.audit.settings", "AuditSettings"),
    ("postavka.web.settings", "WebSettings"),
    ("services.notices.settings", "NoticesSettings"),
    ("services.ops.settings", "OpsSettings"),
    ("services.documents.settings", "DocumentsSettings"),
    ("services.webhooks.settings", "WebhookSettings"),
)


OURS = [each for each in commands("sh") if each[1].startswith("postavka ") and "--help" not in each[1]]
"""Those that `postavka` parses; `--help` is asked for of the running whole."""


def filled(text: str) -> str:
    """With something in place of the words in capitals."""
    return PLACEHOLDER.sub(lambda found: SOME[found[0]], text)


def test_there_is_something_to_try_on_every_page() -> None:
    assert {block.page for block in blocks()} == {page.name for page in PAGES}
    assert {block.language for block in blocks()} == {"sh", "sql"}


@pytest.mark.parametrize(("page", "command"), OURS)
def test_the_command_line_takes_it(page: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    words = shlex.split(filled(command).replace("fixed.json", "pyproject.toml"))
    add_commands().parse_args(words[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("text", sorted({block.text for block in blocks() if block.language == "sh"}))
def test_a_shell_can_read_it(text: str) -> None:
    done = subprocess.run(["bash", "-n"], input=filled(text), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_settings_that_are_named_exist() -> None:
    known: set[str] = set()
    for module, name in SETTINGS:
        kind: type[BaseSettings] = getattr(importlib.import_module(module), name)
        prefix = kind.model_config.get("env_prefix", "")
        known |= {prefix + field.upper() for field in kind.model_fields}
    named = {(page, name) for page, text in inline() for name in re.findall(r"POSTAVKA_[A-Z_]+…?", text)}
    wrong = {
        (page, name)
        for page, name in named
        if not (name in known or (name.endswith("…") and any(each.startswith(name[:-1]) for each in known)))
    }
    assert wrong == set()


def test_metrics_and_modules_that_are_named_exist() -> None:
    named = {name for _, text in inline() for name in re.findall(r"\bpostavka_[a-z_]+", text)}
    assert {base(name) for name in named} <= ours()
    modules = {name for _, text in inline() for name in re.findall(r"python -m ([\w.]+)", text)}
    assert modules <= {"services.SERVICE", *(each.module for each in SERVICES.values())}
    assert all(importlib.util.find_spec(each.module) for each in SERVICES.values())


def test_pages_that_are_linked_exist() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+\.md)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
