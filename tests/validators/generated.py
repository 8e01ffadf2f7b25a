"""Clients and models that others' generators make of what is published here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from clients import generate
from clients.packages import NODE, UnreachedPackages
from events import export
from postavka.kernel.runtime.jars import UnreachedJars
from services.cabinet.api import openapi
from tests.validators.tools import node

PACKAGE = "postavka_client"
JAVA = {
    "generatorName": "java",
    "inputSpec": str(openapi.FILE),
    "additionalProperties": {"library": "native", "openApiNullable": False},
}


def clients() -> dict[str, Path]:
    """The folders that `make clients` writes, by language."""
    try:
        return generate.clients()
    except (UnreachedJars, UnreachedPackages) as unreached:
        pytest.skip(f"what makes the clients can't be reached here: {unreached}")


@contextmanager
def python_client() -> Iterator[Any]:
    """The package, as if it were installed."""
    folder = str(clients()["python"])
    sys.path.insert(0, folder)
    try:
        import postavka_client

        module: ModuleType = postavka_client
        yield module
    finally:
        sys.path.remove(folder)
        for name in [each for each in sys.modules if each.partition(".")[0] == PACKAGE]:
            del sys.modules[name]


def typescript_project(folder: Path) -> Path:
    """A folder in which the client and the types of Node.js are installed."""
    modules = folder / "node_modules"
    (modules / "@types").mkdir(parents=True)
    (modules / "postavka-client").symlink_to(clients()["typescript"])
    for name in ("@types/node", "undici-types"):
        (modules / name).symlink_to(generate.TOOLS / "node_modules" / name)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def typescript(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the compiler in a folder; it may find something."""
    clients()
    compiler = generate.TOOLS / "node_modules" / "typescript" / "bin" / "tsc"
    return subprocess.run(
        [NODE, compiler, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


def java_client(folder: Path) -> Path:
    """A client by the generator for Java."""
    clients()
    (made,) = generate.generated(folder, JAVA)
    return made


def models(typescript: Path, java_package: Path) -> None:
    """Models of all messages, by AsyncAPI's generator: a file each."""
    node("models.cjs", asyncapi=export.SCHEMAS / "asyncapi.json", typescript=typescript, java=java_package)
