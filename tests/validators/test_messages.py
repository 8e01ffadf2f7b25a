"""Messages as programs in JavaScript take them: Ajv in strict mode, and the CloudEvents SDK."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from events import export
from events.registry import MESSAGES
from events.upcasting import UPCASTERS
from tests.validators.tools import node

VOCABULARY = ["x-minimum", "x-exclusiveMinimum", "x-maximum", "x-exclusiveMaximum", "x-values"]
"""Keywords of ours, which tell people more than JSON Schema can (docs/events.md)."""
DECIMAL = r"^-?\d+(\.\d+)?$"


def judged(golden: Path = export.GOLDEN) -> dict[str, Any]:
    """What the two say of all samples in a folder."""
    asyncapi = export.SCHEMAS / "asyncapi.json"
    return node(
        "messages.cjs", schemas=export.SCHEMAS, golden=golden, asyncapi=asyncapi, vocabulary=VOCABULARY, decimal=DECIMAL
    )


def test_every_sample_fits_its_schema_its_headers_and_cloudevents():
    said = judged()
    assert said["found"] == []
    assert said["samples"].keys() == MESSAGES.keys() | UPCASTERS.keys()
    assert all(said["samples"].values())


def test_what_does_not_fit_is_found(tmp_path: Path):
    shutil.copytree(export.GOLDEN, tmp_path / "golden")
    file = tmp_path / "golden" / "PersonErased.v1.jsonl"
    record = json.loads(file.read_text("utf-8").splitlines()[0])
    record["value"] = json.dumps(json.loads(record["value"]) | {"stranger": 1})
    record["headers"] = [each for each in record["headers"] if each[0] != "content-type"]
    file.write_text(json.dumps(record) + "\n", "utf-8")
    assert {(name, part) for name, part, _ in judged(tmp_path / "golden")["found"]} == {
        ("PersonErased.v1", "body"),
        ("PersonErased.v1", "headers"),
    }
