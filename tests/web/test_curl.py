"""The commands of docs/distributors.md for distributors without Kafka, run as they stand."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from events.topics import DOCUMENT_COMMANDS, confirmations_of
from tests.paths import PROJECT
from tests.web.conftest import PATIENCE_SECONDS, Site
from tests.web.stories import Story

DOCUMENTATION = PROJECT / "docs" / "distributors.md"


def commands() -> list[str]:
    """Every command of the section, whole."""
    section = DOCUMENTATION.read_text("utf-8").split("## Without Kafka", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [each for block in blocks for each in block.strip().split("\n\n") if each.startswith("curl")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_distributor_without_kafka_answers_and_signs(site: Site, sent: Any, tmp_path: Path):
    original = b'{"form":"postavka.document/1"}'
    blobs = site.app.state.web.blobs
    story = Story().submitted().approved().documented("doc-1", blobs.put(original), blobs.put(b"%PDF-1.7"))
    site.write(story)
    (tmp_path / "act.sig").write_bytes(b"\x30\x03\x02\x01\x05")
    known = {"POSTAVKA": site.url, "TOKEN": site.token("dist-north"), "REQUEST": str(story.request_id)}
    environment = {**os.environ, **known, "DOCUMENT": "doc-1"}

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", command], cwd=tmp_path, env=environment, capture_output=True, text=True,
            timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    waiting, answer, documents, download, sign = commands()
    assert str(story.request_id) in {each["request_id"] for each in json.loads(run(waiting))["items"]}
    run(answer)
    run(answer)
    ((_, confirmation, _),) = sent(confirmations_of("dist-north"), story.request_id)
    assert (confirmation.accepted, confirmation.note) == (True, "до пятницы")
    (listed,) = json.loads(run(documents))["items"]
    assert (listed["document_id"], listed["yours_to_sign"]) == ("doc-1", True)
    run(download)
    assert (tmp_path / "act.xml").read_bytes() == original
    run(sign)
    ((_, signed, _),) = sent(DOCUMENT_COMMANDS.name, story.request_id)
    assert base64.b64decode(signed.signature) == (tmp_path / "act.sig").read_bytes()
