"""Clients and models that others' generators make of what is published here."""

from __future__ import annotations

import json
from pathlib import Path

from events import export
from services.cabinet.api import openapi
from tests.validators.tools import java, node

PACKAGE = "postavka_client"
GENERATORS = {
    "python": {"packageName": PACKAGE},
    "typescript-fetch": {},
    "java": {"library": "native", "openApiNullable": False},
}
"""Of OpenAPI Generator, with their options."""


def clients(folder: Path, *names: str) -> dict[str, Path]:
    """A client of the API by each of these generators, in one run."""
    made = {name: folder / name for name in names}
    for name, target in made.items():
        options = {
            "generatorName": name,
            "inputSpec": str(openapi.FILE),
            "outputDir": str(target),
            "additionalProperties": {"hideGenerationTimestamp": True, **GENERATORS[name]},
        }
        (folder / f"{name}.json").write_text(json.dumps(options))
    done = java("openapi-generator-cli", "batch", *(folder / f"{name}.json" for name in names))
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-4000:]
    return made


def models(typescript: Path, java_package: Path) -> None:
    """Models of all messages, by AsyncAPI's generator: a file each."""
    node("models.cjs", asyncapi=export.SCHEMAS / "asyncapi.json", typescript=typescript, java=java_package)
