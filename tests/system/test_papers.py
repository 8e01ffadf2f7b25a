"""The paper side of the whole: documents leave by themselves, come back signed, and are proved, over real servers and
the commands that people use (L14-L16)."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID, uuid4

import pypdf

from postavka.kernel.errors import NOT_FOUND, REFUSED
from services.documents import catalogue, post
from services.documents.catalogue import ListedDocument
from services.documents.projection import connect
from tests.system.conftest import System, wait_until

THROUGH_DISTRIBUTOR = ("--partner", "lukomor", "--contact", "lukomor-1", "--distributor", "dist-north")
DIRECT = ("--partner", "romashka-it", "--contact", "romashka-1")
REST = (
    *("--base-delivery", "upp-13", "--registration", "1000001", "--product", "upp-extension-12"),
    *("--inn", "7707083893", "--kpp", "773601001", "--buyer", "АО «Завод точных весов»"),
)


def submit(system: System, *who: str) -> str:
    request_id = str(uuid4())
    system.cli("request", "submit", "--request-id", request_id, *who, *REST)
    return request_id


def documents(system: System, request_id: str) -> list[ListedDocument]:
    with connect(system.database_url, readonly=True) as connection:
        return catalogue.documents_of(connection, UUID(request_id))


def state(system: System, request_id: str) -> set[str]:
    return {each.state.value for each in documents(system, request_id)}


def test_an_act_goes_to_the_distributor_and_comes_back_signed(system: System, tmp_path: Path):
    request_id = submit(system, *THROUGH_DISTRIBUTOR)
    wait_until(lambda: documents(system, request_id), "the act is issued")
    system.kill("papers")
    wait_until(lambda: state(system, request_id) == {"dispatched"}, "the act has left")
    (act,) = documents(system, request_id)
    (told,) = json.loads(system.cli("documents", "list", "--request", request_id, "--json"))
    assert [each["format"] for each in told["files"]] == ["pdf", "issued"]
    for format in ("pdf", "issued"):
        file = tmp_path / format
        system.cli("documents", "get", request_id, act.document_id, "--format", format, "--out", str(file))
        (known,) = json.loads(system.cli("documents", "verify", str(file), "--json"))
        assert (known["request_id"], known["what"]) == (request_id, format)
    assert (tmp_path / "issued").read_bytes().startswith(b'<?xml version="1.0" encoding="windows-1251"?>')
    (tmp_path / "issued").write_bytes((tmp_path / "issued").read_bytes() + b" ")
    forged = system.run_cli("documents", "verify", str(tmp_path / "issued"))
    assert forged.returncode == 1
    assert "none of ours" in forged.stdout

    mailbox = json.loads(system.cli("counterparty", "list", "--inn", "0010550324", "--json"))
    file = _file_of(system, request_id)
    (message,) = [each["message"] for each in mailbox if each["file"] == file]
    system.cli("counterparty", "sign", message)
    wait_until(lambda: state(system, request_id) == {"signed"}, "the act is signed")
    shown = json.loads(system.cli("documents", "show", request_id, act.document_id, "--json"))
    assert shown["signed"] == "fns.upd-dop.buyer/5.03"
    assert "0010550324" in shown["certificate"]


def test_documents_of_a_direct_sale_go_by_post(system: System, tmp_path: Path):
    request_id = submit(system, *DIRECT)
    wait_until(lambda: len(documents(system, request_id)) == 2, "invoice and shipping documents are issued")

    def envelope() -> post.PostalEnvelope | None:
        with connect(system.database_url, readonly=True) as connection:
            found = post.waiting(connection, UUID(request_id))
        return found[0] if found and len(found[0].enclosures) == 2 else None

    wait_until(envelope, "both wait for the post")
    waiting = json.loads(system.cli("post", "list", "--json"))
    assert [len(each["documents"]) for each in waiting if each["request_id"] == request_id] == [2]
    printed = tmp_path / "print.pdf"
    system.cli("post", "print", str(printed), "--request", request_id)
    pages = pypdf.PdfReader(printed).pages
    assert len(pages) == 3
    assert "390000, г. Рязань" in pages[0].extract_text().replace("\n", " ").replace("\u00a0", " ")
    system.cli("post", "register", str(tmp_path / "register.pdf"))
    assert "Ромашковое поле" in pypdf.PdfReader(tmp_path / "register.pdf").pages[0].extract_text()
    system.cli("post", "sent", request_id, "80080000000017", "--by", "clerk")
    wait_until(lambda: state(system, request_id) == {"dispatched"}, "the log knows that they were posted")
    assert {each.tracking for each in documents(system, request_id)} == {"80080000000017"}
    assert envelope() is None


def test_a_signature_over_a_file_is_taken_from_the_command_line(system: System, tmp_path: Path):
    """What the portal and the API do as well: a detached signature over the PDF, or over the bytes issued."""
    request_id = submit(system, *THROUGH_DISTRIBUTOR)
    wait_until(lambda: state(system, request_id) == {"dispatched"}, "the act has left")
    (act,) = documents(system, request_id)
    file = tmp_path / "act.pdf"
    system.cli("documents", "get", request_id, act.document_id, "--out", str(file))
    system.cli("counterparty", "signature", str(file), "--inn", "7707083893")
    assert system.run_cli("sign", request_id, act.document_id, f"{file}.sig").returncode == REFUSED
    system.cli("counterparty", "signature", str(file), "--inn", "0010550324")
    system.cli("sign", request_id, act.document_id, f"{file}.sig")
    wait_until(lambda: state(system, request_id) == {"signed"}, "the second signature counts")
    log = system.cli("log", "tail", "--request", request_id, "--since", "1h", "--no-follow", "--json")
    events = [json.loads(line) for line in log.splitlines()]
    refused = [each for each in events if each["type"].startswith("SignatureRefused")]
    assert [each["body"]["reason"]["code"] for each in refused] == ["other-signer"]


def test_an_employee_signs_by_power_of_attorney(system: System, tmp_path: Path):
    """The sample reference data has one of `dist-north` for this person, whose certificate has no other INN."""
    request_id = submit(system, *THROUGH_DISTRIBUTOR)
    wait_until(lambda: state(system, request_id) == {"dispatched"}, "the act has left")
    (act,) = documents(system, request_id)
    file = tmp_path / "act.pdf"
    system.cli("documents", "get", request_id, act.document_id, "--out", str(file))
    system.cli("counterparty", "signature", str(file), "--inn", "500100732259")
    system.cli("sign", request_id, act.document_id, f"{file}.sig")
    wait_until(lambda: state(system, request_id) == {"signed"}, "it counts")
    log = system.cli("log", "tail", "--request", request_id, "--since", "1h", "--no-follow", "--json")
    (signed,) = [each for line in log.splitlines() if "DocumentSigned" in (each := json.loads(line))["type"]]
    assert signed["body"]["signer_inn"] == "500100732259"
    assert signed["body"]["power_of_attorney"] == "5f8b7a6c-2d41-4c0e-9f3a-7b1c2d3e4f50"


def test_a_document_that_is_not_there_is_one_line(system: System):
    done = system.run_cli("documents", "get", str(uuid4()), "act-1")
    assert done.returncode == NOT_FOUND
    assert "has no document" in done.stderr
    assert "Traceback" not in done.stderr


def _file_of(system: System, request_id: str) -> str:
    """The name of the file that the operator was given for the act of this request."""
    letters = system.launch.home / "operator" / "letters"
    for letter in letters.iterdir():
        facts = json.loads((letter / "letter.json").read_text())
        if facts["key"].startswith(request_id):
            return str(facts["file_name"])
    raise AssertionError("it was not sent")
