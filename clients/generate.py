"""Writes the clients for programs out of the description of the API: `make clients`.

`clients/python` and `clients/typescript` are packages to install; nothing in them was written by hand. What makes them
is pinned: OpenAPI Generator by the SHA-256 in `generator.jars.lock`, TypeScript's compiler by `package-lock.json`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clients.packages import LISTS, NODE, installed, one_at_a_time
from postavka.kernel.errors import UserError
from postavka.kernel.runtime.jars import fetched, jars_of
from postavka.kernel.runtime.java import find_java
from postavka.kernel.runtime.progress import Spoken
from services.cabinet.api import openapi

HERE = Path(__file__).parent
JARS = HERE.parent / ".postavka" / "jars" / "clients"
JAR_LIST = HERE / "generator.jars.lock"
TOOLS = HERE.parent / ".tools" / "clients"
JAVA_OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m")
VERSION = version("postavka")

PYTHON = {
    "generatorName": "python",
    "additionalProperties": {"packageName": "postavka_client", "packageVersion": VERSION},
}
TYPESCRIPT = {
    "generatorName": "typescript-fetch",
    "typeMappings": {"Date": "string", "DateTime": "string", "date": "string", "decimal": "string"},
    "additionalProperties": {
        "modelPropertyNaming": "original",
        "withoutRuntimeChecks": True,
        "importFileExtension": ".js",
    },
}
"""Objects are what JSON has: a `Date` would round moments and move days to another time zone."""
PACKAGE_JSON = {
    "name": "postavka-client",
    "version": VERSION,
    "license": "Apache-2.0",
    "type": "module",
    "exports": {".": {"types": "./dist/index.d.ts", "default": "./dist/index.js"}},
    "files": ["dist"],
}
PYPROJECT = """[project]
name = "postavka-client"
version = "{version}"
description = "Client of the Postavka API"
license = "Apache-2.0"
requires-python = "{requires-python}"
dependencies = {dependencies}

[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[tool.setuptools]
packages = ["postavka_client", "postavka_client.api", "postavka_client.models"]

[tool.setuptools.package-data]
postavka_client = ["py.typed"]
"""
COMPILED = (
    "--strict", "--declaration", "--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--module", "nodenext",
    "--types", "",
)  # fmt: skip


def clients() -> dict[str, Path]:
    """The folders of both clients by language, written anew if anything that they follow from has changed. Raises
    `UserError`."""
    made = {"python": HERE / "python", "typescript": HERE / "typescript"}
    sources = (openapi.FILE, Path(__file__), JAR_LIST, *(HERE / name for name in LISTS))
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()
    compiler = installed(HERE, TOOLS) / "typescript" / "bin" / "tsc"
    with one_at_a_time(TOOLS):
        stamp = TOOLS / "generated"
        if stamp.exists() and stamp.read_text() == digest and all(each.is_dir() for each in made.values()):
            return made
        with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
            description = Path(folder) / "openapi.json"
            description.write_text(json.dumps(_lenient(json.loads(openapi.FILE.read_bytes()))))
            python, typescript = generated(
                Path(folder), PYTHON | {"inputSpec": str(description)}, TYPESCRIPT | {"inputSpec": str(openapi.FILE)}
            )
            _describe(python)
            _compile(compiler, typescript)
            _replace(made["python"], python, "pyproject.toml", "postavka_client")
            _replace(made["typescript"], typescript, "package.json", "dist")
        stamp.write_text(digest)
    return made


def generated(folder: Path, *configurations: Mapping[str, Any]) -> list[Path]:
    """The folders in `folder` with what OpenAPI Generator makes by each configuration, in one run. Raises
    `UserError`."""
    targets = [folder / str(each["generatorName"]) for each in configurations]
    files = [target.with_suffix(".json") for target in targets]
    for each, target, file in zip(configurations, targets, files, strict=True):
        properties = {"hideGenerationTimestamp": True, **each["additionalProperties"]}
        file.write_text(json.dumps({**each, "outputDir": str(target), "additionalProperties": properties}))
    (jar,) = fetched(JARS, jars_of(JAR_LIST.read_text("utf-8")), "OpenAPI Generator", Spoken())
    _run(find_java(), *JAVA_OPTIONS, "-jar", jar, "batch", *files)
    return targets


def _lenient(description: dict[str, Any]) -> dict[str, Any]:
    """The description for Python. Its generator refuses an answer with a word that an enumeration lacks, and with it
    all others of a page: there answers have none, so that a client outlives a new status. Decimal numbers in texts are
    called `number` by this generator alone."""

    def walk(part: Any, answered: bool) -> None:
        if isinstance(part, dict):
            if part.get("format") == "decimal":
                part["format"] = "number"
            if answered and isinstance(part.get("enum"), list):
                del part["enum"]
        for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            walk(each, answered)

    for schema in description["components"]["schemas"].values():
        walk(schema, schema.get("additionalProperties") is not False)
    return description


def _describe(folder: Path) -> None:
    """Write `pyproject.toml` with what the generated code needs, and without its guesses of who we are."""
    needs = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    text = PYPROJECT.replace("{version}", VERSION).replace("{requires-python}", needs["requires-python"])
    (folder / "pyproject.toml").write_text(text.replace("{dependencies}", json.dumps(needs["dependencies"])))


def _replace(target: Path, source: Path, *names: str) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in names:
        shutil.move(source / name, target / name)


def _compile(compiler: Path, folder: Path) -> None:
    (folder / "package.json").write_text(json.dumps(PACKAGE_JSON, indent=2) + "\n")
    _run(NODE, compiler, *COMPILED, "--rootDir", folder, "--outDir", folder / "dist", folder / "index.ts")


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise UserError(f"{command[0]}: {(done.stderr + done.stdout)[-4000:]}")


if __name__ == "__main__":
    try:
        for language, place in clients().items():
            print(f"{language}: {place.relative_to(HERE.parent)}")
    except UserError as wrong:
        sys.exit(str(wrong))
