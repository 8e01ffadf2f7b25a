"""A server of Diadoc's shape, as far as our client uses it: what a real one must be told and answers. A stand-in for
the outside world, reached over real HTTP."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

OUR_BOX = "our-box"
AUTHORIZATION = "DiadocAuth ddauth_api_client_id=client,ddauth_token=token"


class Stub:
    """Its state. `fail`: statuses to answer the next requests with."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        """By operation id."""
        self.posted = 0
        """How often a message was posted, repetitions included."""
        self.feed: list[dict[str, Any]] = []
        self.contents: dict[str, bytes] = {}
        self.fail: list[int] = []
        self.organization: dict[str, Any] = {}
        """What else it says of the organisation that is asked for."""
        self.several: list[dict[str, Any]] = []
        """The organisations of the INN 0000000000, which it does not name alone."""
        self.lock = threading.Lock()

    def post(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        self.posted += 1
        if operation not in self.messages:
            document = str(uuid4())
            content = body["DocumentAttachments"][0]["SignedContent"]
            self.contents[document] = base64.b64decode(content["Content"])
            entities = [{"EntityType": "Attachment", "EntityId": document, "AttachmentType": "x"}]
            if "Signature" in content:
                signature = {"EntityType": "Signature", "EntityId": str(uuid4()), "ParentEntityId": document}
                entities.append(signature | {"SignerBoxId": OUR_BOX})
            message = {"MessageId": str(uuid4()), "Entities": entities}
            self.messages[operation] = {"request": body, "answer": message}
            self._event({"Message": message})
        return self.messages[operation]["answer"]

    def sign(self, message_id: str, signature: bytes, title: bytes | None = None) -> None:
        document = self._document(message_id)
        entities, signed = [], document
        if title is not None:
            signed = self._entity(title)
            entities.append(
                {
                    "EntityType": "Attachment",
                    "EntityId": signed,
                    "ParentEntityId": document,
                    "AttachmentType": "UniversalTransferDocumentBuyerTitle",
                }
            )
        entity = {"EntityType": "Signature", "EntityId": self._entity(signature), "ParentEntityId": signed}
        entities.append(entity | {"SignerBoxId": "their-box"})
        self._event({"Patch": {"MessageId": message_id, "Entities": entities}})

    def decline(self, message_id: str, reason: str) -> None:
        notice = f'<?xml version="1.0" encoding="windows-1251"?><Файл><ТекстУведУточ>{reason}</ТекстУведУточ></Файл>'
        entity = {"EntityType": "Attachment", "EntityId": self._entity(notice.encode("cp1251"))}
        entity |= {"ParentEntityId": self._document(message_id), "AttachmentType": "XmlSignatureRejection"}
        self._event({"Patch": {"MessageId": message_id, "Entities": [entity | {"SignerBoxId": "their-box"}]}})

    def _document(self, message_id: str) -> str:
        answers = (each["answer"] for each in self.messages.values())
        return next(each["Entities"][0]["EntityId"] for each in answers if each["MessageId"] == message_id)

    def _entity(self, content: bytes) -> str:
        name = str(uuid4())
        self.contents[name] = content
        return name

    def _event(self, what: dict[str, Any]) -> None:
        self.feed.append({"EventId": str(uuid4()), "IndexKey": f"{len(self.feed) + 1:06}", **what})


class _Handler(BaseHTTPRequestHandler):
    stub: Stub

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(body)

    def do_GET(self) -> None:
        self._answer({})

    def _answer(self, body: dict[str, Any]) -> None:
        with self.stub.lock:
            status, said = self._said(body)
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _said(self, body: dict[str, Any]) -> tuple[int, Any]:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if self.headers.get("Authorization") != AUTHORIZATION:
            return 401, {}
        if self.stub.fail:
            return self.stub.fail.pop(0), {}
        match address.path:
            case "/GetOrganization":
                if query.get("inn") == "0000000000":
                    return 404, {}
                boxes = [] if query.get("inn") == "1111111111" else [{"BoxIdGuid": "their-box", "BoxId": "x@diadoc.ru"}]
                told = {"Inn": query.get("inn"), "Kpp": query.get("kpp")} if "inn" in query else {}
                return 200, told | {"FullName": "ООО «Союз»", "IsActive": True, "Boxes": boxes} | self.stub.organization
            case "/GetOrganizationsByInnKpp" if self.stub.several:
                return 200, {"Organizations": self.stub.several}
            case "/V3/PostMessage":
                assert body["FromBoxId"] == OUR_BOX
                assert body["ToBoxId"] == "their-box"
                return 200, self.stub.post(query["operationId"], body)
            case "/V7/GetNewEvents":
                assert query["boxId"] == OUR_BOX
                after = query.get("afterIndexKey", "")
                return 200, {"Events": [each for each in self.stub.feed if each["IndexKey"] > after][:100]}
            case "/V4/GetEntityContent":
                content = self.stub.contents.get(query["entityId"])
                return (200, content) if content is not None else (404, {})
        return 404, {}

    def log_message(self, format: str, *args: Any) -> None: ...


@contextmanager
def diadoc_stub() -> Iterator[tuple[Stub, str]]:
    """The stub and its address, while it runs."""
    stub = Stub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"stub": stub}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield stub, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
