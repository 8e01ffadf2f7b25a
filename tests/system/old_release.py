"""A service as it was one version of some messages earlier: `python -m tests.system.old_release cabinet Activated`.

The old release knows version 1 of these messages, writes it in its published shape, and has no upcaster to version 2.
"""

from __future__ import annotations

import json
import runpy
import sys

from events import activation, approval
from events.model import Message
from events.upcasting import UPCASTERS
from tests.paths import PROJECT

SCHEMAS = PROJECT / "events" / "schemas"


def put_back(name: str) -> frozenset[str]:
    """Let the newest version of a message be its first; returns the fields that the first one has."""
    model: type[Message] = next(getattr(module, name) for module in (activation, approval) if hasattr(module, name))
    model.TYPE = f"{name}.v1"
    UPCASTERS.pop(f"{name}.v1")
    return frozenset(json.loads((SCHEMAS / f"{name}.v1.json").read_text("utf-8"))["properties"])


def write_as(fields: dict[str, frozenset[str]]) -> None:
    """Write these types with the fields of their first version only."""
    from events import registry

    encode = registry.encode

    def encode_as_it_was(message: Message) -> bytes:
        body = encode(message)
        if message.TYPE not in fields:
            return body
        said = {name: value for name, value in json.loads(body).items() if name in fields[message.TYPE]}
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()

    registry.encode = encode_as_it_was


if __name__ == "__main__":
    service, *names = sys.argv[1:]
    write_as({f"{each}.v1": put_back(each) for each in names})
    runpy.run_module(f"services.{service}", run_name="__main__")
