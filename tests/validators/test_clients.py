"""What others' generators make of the API's description and of the contract compiles, in three languages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from events import export
from events.registry import MESSAGES
from events.upcasting import UPCASTERS
from tests.validators.generated import java_client, models, python_client, typescript
from tests.validators.tools import jars, java

MESSAGE_TYPES = MESSAGES.keys() | UPCASTERS.keys()
TYPESCRIPT = {
    "compilerOptions": {
        "strict": True, "noEmit": True, "types": [], "target": "es2022", "lib": ["es2022", "dom"],
        "module": "esnext", "moduleResolution": "bundler",
    },
    "include": ["**/*.ts"],
}  # fmt: skip
LIBRARIES = (
    "jackson-annotations", "jackson-core", "jackson-databind", "jackson-datatype-jsr310", "jsr305",
    "jakarta.annotation-api", "httpcore", "httpmime",
)  # fmt: skip
"""Of the generated client in Java."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("generated")
    models(folder / "typescript", folder / "messages" / "models")
    return {"typescript": folder / "typescript", "java": java_client(folder), "messages": folder / "messages"}


def test_the_client_in_python_gives_bytes():
    with python_client() as client:
        for method in (client.DocumentsApi.download_document, client.RequestsApi.stream_request):
            assert method.__annotations__["return"] in (bytes, "bytes")


def test_the_messages_in_typescript_compile(made: dict[str, Path]):
    folder = made["typescript"]
    (folder / "tsconfig.json").write_text(json.dumps(TYPESCRIPT))
    done = typescript("--project", folder, folder=folder)
    assert done.returncode == 0, done.stdout
    interfaces = {path.stem for path in folder.glob("*.ts") if "interface" in path.read_text("utf-8")}
    assert {each.replace(".v", "DotV") for each in MESSAGE_TYPES} <= interfaces


def test_the_client_and_the_messages_in_java_compile(made: dict[str, Path], tmp_path: Path):
    known = jars()
    libraries = ":".join(str(known[name]) for name in LIBRARIES)
    sources = made["java"] / "src" / "main" / "java"
    done = java(
        "ecj", "-17", "-nowarn", "-proc:none", "-encoding", "UTF-8", "-classpath", libraries, "-d", tmp_path,
        sources, made["messages"], main="org.eclipse.jdt.internal.compiler.batch.Main",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert list(tmp_path.rglob("DocumentsApi.class"))
    assert len(list((tmp_path / "models").glob("*.class"))) > len(MESSAGE_TYPES)
    for api, method in (("Documents", "downloadDocument"), ("Requests", "streamRequest")):
        (text,) = (path.read_text("utf-8") for path in sources.rglob(f"{api}Api.java"))
        assert re.search(rf"public File {method}\(", text)


def test_the_contract_says_3_0_which_generators_of_models_know():
    assert json.loads((export.SCHEMAS / "asyncapi.json").read_bytes())["asyncapi"] == "3.0.0"
