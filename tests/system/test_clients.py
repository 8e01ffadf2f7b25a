"""Clients that a generator has made of the API's description walk a whole sale, and the quick starts of docs/clients.md
run as they stand there: nothing of the clients was written by hand."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from clients.packages import NODE
from tests.paths import PROJECT
from tests.system.conftest import System, wait_until
from tests.validators.generated import clients, python_client, typescript_project
from tests.web.test_whole import REQUEST

PAGE = (PROJECT / "docs" / "clients.md").read_text("utf-8")
PERMISSION = re.compile(r"([0-9]{3}-){6}[0-9]{3}")
SECONDS = 300


@pytest.fixture(scope="module")
def generated() -> Iterator[Any]:
    with python_client() as module:
        yield module


def quick_start(language: str) -> str:
    """The program that the page shows in this language."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def key() -> str:
    return f'"{uuid4()}"'


def test_a_sale_from_the_request_to_the_activation(system: System, generated: Any):
    def signed_in(*tenant: str) -> Any:
        token = system.cli("token", "create", "generated", *tenant).strip()
        host = f"http://127.0.0.1:{system.launch.ports['web.http']}"
        return generated.ApiClient(generated.Configuration(host=host, access_token=token))

    partner, distributor = signed_in("--partner", "lukomor"), signed_in("--distributor", "dist-north")
    requests, documents = generated.RequestsApi(partner), generated.DocumentsApi(partner)

    with pytest.raises(generated.ApiException) as refused:
        requests.submit_request('"x"', generated.NewRequest.model_construct(**REQUEST | {"inn": "1"}))
    assert refused.value.status == 422

    sent = requests.submit_request(key(), generated.NewRequest(**REQUEST))
    live = requests.stream_request_without_preload_content(sent.request_id)
    while b"awaiting-confirmation" not in live.readline():
        pass
    live.close()
    waiting = generated.ConfirmationsApi(distributor).list_waiting(limit=200)
    assert sent.request_id in {each.request_id for each in waiting.items}
    answer = generated.Answer(accepted=True, note="до пятницы")
    generated.ConfirmationsApi(distributor).answer_request(sent.request_id, key(), answer)
    wait_until(lambda: requests.get_request(sent.request_id).status == "shipped", "the delivery is sold")

    def rendered() -> list[Any]:
        return [each for each in documents.list_documents(sent.request_id).items if each.pdf]

    wait_until(rendered, "a document is rendered")
    (paper, *_) = rendered()
    original = documents.download_document(sent.request_id, paper.document_id, "original")
    assert hashlib.sha256(original).hexdigest() == paper.sha256
    assert documents.download_document(sent.request_id, paper.document_id, "pdf").startswith(b"%PDF-")

    requests.activate_delivery(sent.request_id, key())
    wait_until(lambda: requests.get_request(sent.request_id).activation, "the service runs")
    kinds = {each.kind for each in requests.get_timeline(sent.request_id).moments}
    assert {"submitted", "approved", "permitted", "confirmed", "ordered", "shipped", "activated"} <= kinds


def test_the_quick_start_in_python(system: System, tmp_path: Path):
    (tmp_path / "quickstart.py").write_text(quick_start("python"), "utf-8")
    walk(system, tmp_path, sys.executable, "quickstart.py", PYTHONPATH=str(clients()["python"]))


def test_the_quick_start_in_typescript(system: System, tmp_path: Path):
    folder = typescript_project(tmp_path)
    (folder / "quickstart.ts").write_text(quick_start("ts"), "utf-8")
    walk(system, folder, str(NODE), "quickstart.ts")


def walk(system: System, folder: Path, *program: str, **environment: str) -> None:
    """Run the program twice for one order: it is one request, and the second run goes on where the first was."""
    token = system.cli("token", "create", "quickstart", "--partner", "lukomor").strip()
    order = f"order-{uuid4()}"
    known = {"POSTAVKA": f"http://127.0.0.1:{system.launch.ports['web.http']}", "TOKEN": token}
    told, places = [], []
    for _ in range(2):
        done = subprocess.run(
            [*program, order], cwd=folder, env={**os.environ, **known, **environment}, capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.strip())
        places.append(json.loads((folder / "known.json").read_text()))
    assert PERMISSION.fullmatch(told[0])
    assert told[0] == told[1]
    assert list(places[0]["numbers"].values()).count(told[0]) == 1
    assert list(places[1]["numbers"].values()).count(told[0]) == 1
    pdfs = list(folder.glob("*.pdf"))
    assert pdfs
    assert all(each.read_bytes().startswith(b"%PDF-") for each in pdfs)
