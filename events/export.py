"""Write the contract to files that anybody can read: `python -m events.export`.

Makes, from the models and topics in the code:

- `events/schemas/<Type>.v<N>.json`: the JSON Schema of each message version;
- `events/schemas/asyncapi.json`: topics, headers, writers and readers;
- `events/golden/<Type>.v<N>.jsonl`: recorded samples of each version, once, never written again;
- the generated part of `docs/events.md`.

A version whose schema is here has been published: records of it may lie in a log for ever. Its shape never changes
again, so a changed model is refused. Files of versions that the code no longer has stay, and so do their records.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from events.asyncapi import document, summary, versions_of
from events.envelope import Envelope
from events.model import Command, Message
from events.registry import MESSAGES, encode
from events.samples import sample_envelope, samples
from events.schema import Schema, json_schema, shape
from events.topics import ALL_TOPICS

HERE = Path(__file__).parent
SCHEMAS = HERE / "schemas"
GOLDEN = HERE / "golden"
DOCS = HERE.parent / "docs" / "events.md"

BEGIN = "<!-- From here to END made by `python -m events.export` -->"
END = "<!-- END -->"

WHAT_TO_DO = """\
A published version never changes: records of it lie in the log for ever. Make a new version instead:
  1. give the model the next TYPE ({next});
  2. say in events/upcasting.py how the old fields become the new ones:
     UPCASTERS["{name}"] = ("{next}", lift)
  3. run python -m events.export and commit what it writes.
The files of {name} stay as they are."""


class PublishedVersionChanged(ValueError):
    """The model of a published version takes other records than its committed schema."""

    def __init__(self, name: str) -> None:
        base, _, number = name.rpartition(".v")
        hint = WHAT_TO_DO.format(name=name, next=f"{base}.v{int(number) + 1}")
        super().__init__(f"the shape of {name} differs from its committed schema.\n{hint}")
        self.name = name


def export(folder: Path = SCHEMAS, published: Path = SCHEMAS) -> list[Path]:
    """Write the schemas of all message versions and the AsyncAPI document into `folder`; return the files written.

    `published` holds the committed schemas. Versions that only it has are copied. Raises `PublishedVersionChanged`,
    before anything is written, for a model that no longer has the shape published there.
    """
    texts = {f"{name}.json": pretty(json_schema(model)) for name, model in MESSAGES.items()}
    for name in MESSAGES:
        before = published / f"{name}.json"
        if before.exists() and shape(orjson.loads(before.read_bytes())) != shape(orjson.loads(texts[before.name])):
            raise PublishedVersionChanged(name)
    texts["asyncapi.json"] = pretty(document())
    folder.mkdir(parents=True, exist_ok=True)
    for old in published.glob("*.v*.json"):
        if old.name not in texts and folder != published:
            shutil.copyfile(old, folder / old.name)
    written = []
    for name, text in sorted(texts.items()):
        (folder / name).write_bytes(text)
        written.append(folder / name)
    return written


def record(folder: Path = GOLDEN) -> list[Path]:
    """Write sample records of every version that has none in `folder`; return the files written.

    A file holds one record a line: key, headers and value as they would lie on Kafka. What is there is left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, model in sorted(MESSAGES.items()):
        path = folder / f"{name}.jsonl"
        if not path.exists():
            path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in _records(model)))
            written.append(path)
    return written


def _records(model: type[Message]) -> Iterator[dict[str, Any]]:
    whole = samples(model)
    bodies = [(message, encode(message)) for message in whole]
    if issubclass(model, Command):
        # Senders outside leave out what they don't have.
        required = {name for name, field in model.model_fields.items() if field.is_required()}
        if required != set(model.model_fields):
            bodies.append((whole[0], whole[0].model_dump_json(include=required).encode()))
    for number, (message, body) in enumerate(bodies, 1):
        envelope: Envelope = sample_envelope(message, number)
        yield {
            "key": envelope.subject,
            "headers": [[name, value.decode()] for name, value in envelope.headers()],
            "value": body.decode(),
        }


def pretty(value: Schema) -> bytes:
    """JSON as it is committed: indented, UTF-8, a line end at the end."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def clauses(model: type[Message]) -> str:
    """The letter's clauses a message answers to: its docstring's, or else its stage's; empty if the letter has none."""
    for text in (model.__doc__ or "", sys.modules[model.__module__].__doc__ or ""):
        if found := dict.fromkeys(re.findall(r"\bL\d+(?:[-–]L\d+)?\b", text)):
            return ", ".join(found)
        if issubclass(model, Command):
            break
    return ""


def vocabulary() -> str:
    """The generated part of `docs/events.md`: topics, and what lies on each."""
    lines = ["| topic | holds | written by | read by |", "|---|---|---|---|"]
    lines += [
        f"| `{topic.name}` | {topic.title} | {topic.writer} | {', '.join(topic.readers) or '—'} |"
        for topic in ALL_TOPICS
    ]
    for topic in ALL_TOPICS:
        if topic.carries:
            lines += [
                "",
                f"### `{topic.name}`",
                "",
                "| message | clause | versions | what it says |",
                "|---|---|---|---|",
            ]
            lines += [_row(model) for model in topic.carries]
    return "\n".join(lines)


def _row(model: type[Message]) -> str:
    name = model.TYPE.rpartition(".v")[0]
    versions = ", ".join(
        f"[{version.removeprefix(name + '.')}](../events/schemas/{version}.json)" for version in versions_of(model)
    )
    return f"| `{name}` | {clauses(model) or '—'} | {versions} | {summary(model)} |"


def documented(text: str) -> str:
    """The page `docs/events.md` with its generated part made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{vocabulary()}\n\n{END}{after}"


def main() -> int:
    """Write everything; a refusal goes to stderr and makes the exit code 1."""
    try:
        written: Iterable[Path] = [*export(), *record()]
    except PublishedVersionChanged as changed:
        print(changed, file=sys.stderr)
        return 1
    if DOCS.exists():
        DOCS.write_text(documented(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{len(list(written))} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
