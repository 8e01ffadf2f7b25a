"""A client that a generator has made of the API's description walks a whole sale: nothing of it was written by hand."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from tests.system.conftest import System, wait_until
from tests.validators.generated import PACKAGE, clients
from tests.web.test_whole import REQUEST


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package, as if it were installed."""
    made = clients(tmp_path_factory.mktemp("client"), "python")["python"]
    sys.path.insert(0, str(made))
    try:
        import postavka_client

        yield postavka_client
    finally:
        sys.path.remove(str(made))
        for name in [each for each in sys.modules if each.partition(".")[0] == PACKAGE]:
            del sys.modules[name]


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
