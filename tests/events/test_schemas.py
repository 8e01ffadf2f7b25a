"""The exported contract is the committed one, and a published version never changes.

Three guards, each for a different mistake: the committed files equal what the models give (forgotten export); the
export refuses a changed shape (a version changed in place); and `jsoncompat` compares the model with every schema of
that version that was ever committed (files rewritten by hand to get past the other two).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar

import jsoncompat
import pytest
from jsonschema import Draft202012Validator
from pydantic import Field, StringConstraints

from events import export
from events.model import Command, Event, Id, Message, Money, PositiveMoney, Text
from events.registry import MESSAGES
from events.schema import Schema, json_schema, rewrite, shape
from events.upcasting import UPCASTERS

REDRAWN: dict[str, str] = {
    "Activated.v1": "activation_id was added before the first release",
    "ActivationRefused.v1": "activation_id was added before the first release",
}
"""Versions whose committed schema was replaced by an incompatible one, and why nobody had a record of them yet.
For the time before the first release only."""

REPOSITORY = export.HERE.parent


# Compatibility


def findings(old: Schema, new: Schema, *, both_ways: bool = False) -> list[str]:
    """Why records of `old` can't be read by `new` (and, both ways, records of `new` by `old`); empty if they can.

    What can't be proved counts as a finding, except for the way back, where only a disproof does.
    """
    found = [] if _proved(old, new) else ["old records can't be read by the new schema"]
    found += [f"another default at {place}" for place in _other_defaults(old, new)]
    if both_ways and _proved(new, old) is False:
        found.append("new records can't be read by the old schema")
    return found


def _proved(old: Schema, new: Schema) -> bool | None:
    """True: proved; False: disproved; None: the tool can't tell."""
    try:
        return jsoncompat.check_compat(_comparable(old), _comparable(new), jsoncompat.Role.DESERIALIZER)
    except ValueError:
        return None


def _comparable(schema: Schema) -> str:
    """The schema in terms that jsoncompat 0.3.1 proves things about.

    It takes no notice of `pattern`, `format` and keywords of ours, and answers yes to any change of them. So a string
    becomes an object with its length in one property and each of those keywords as a constant in another: lengths are
    compared as lengths, and a keyword that is new or different is a difference.
    """

    def spread(part: Schema) -> Schema:
        if part.get("type") != "string" or "enum" in part or "const" in part:
            return part
        text = {key: value for key, value in part.items() if key in ("type", "minLength", "maxLength")}
        opaque = {
            key: {"const": part[key]} if key in part else {}
            for key in ("pattern", "format", "x-minimum", "x-exclusiveMinimum", "x-maximum", "x-exclusiveMaximum")
        }
        properties = {"text": text, **opaque}
        return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}

    return json.dumps(rewrite(shape(schema), spread))


def _other_defaults(old: Schema, new: Schema) -> list[str]:
    """Places where an old record that left a field out would now be read differently."""
    before, after = dict(_defaults(old)), dict(_defaults(new))
    return [place for place in before.keys() & after.keys() if before[place] != after[place]]


def _defaults(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        if "default" in value:
            yield place, value["default"]
        for key, inner in value.items():
            yield from _defaults(inner, f"{place}/{key}")


def committed(name: str) -> Schema:
    return json.loads((export.SCHEMAS / f"{name}.json").read_bytes())


def every_committed(name: str) -> list[Schema]:
    """Each schema of this version in the history of the repository, the newest first."""
    path = f"events/schemas/{name}.json"
    commits = _git("log", "--format=%H", "--diff-filter=AM", "--", path).split()
    return [json.loads(_git("show", f"{commit}:{path}")) for commit in commits]


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(REPOSITORY), *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


# The committed files


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_the_committed_schema_is_what_the_model_gives(name: str):
    path = export.SCHEMAS / f"{name}.json"
    if not path.exists():
        pytest.fail(f"{name} has no committed schema: run `python -m events.export` and commit what it writes")
    now = json_schema(MESSAGES[name])
    if shape(committed(name)) != shape(now):
        pytest.fail(str(export.PublishedVersionChanged(name)))
    assert path.read_bytes() == export.pretty(now), (
        f"only the words of {name} have changed: run `python -m events.export` and commit what it writes"
    )


def test_every_committed_file_is_of_a_version_that_can_still_be_read():
    stray = {path.stem for path in export.SCHEMAS.glob("*.v*.json")} - MESSAGES.keys() - UPCASTERS.keys()
    assert not stray, f"records of {stray} may lie in a log: put the version into UPCASTERS, don't drop it"


def test_every_committed_schema_is_a_valid_json_schema():
    for path in export.SCHEMAS.glob("*.v*.json"):
        Draft202012Validator.check_schema(json.loads(path.read_bytes()))


def test_the_export_gives_the_whole_contract_anywhere(tmp_path: Path):
    written = export.export(tmp_path)
    assert {path.name for path in written} == {f"{name}.json" for name in MESSAGES} | {"asyncapi.json"}
    for path in export.SCHEMAS.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), (
            f"{path.name} is not what the code gives: run `python -m events.export`"
        )


# The export refuses a change of a published version


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class FewerColours(StrEnum):
    RED = "red"


class MoreColours(StrEnum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Painted(Event):
    """What the planted changes start from."""

    TYPE: ClassVar[str] = "Painted.v1"

    wall: Id
    colour: Colour
    coats: Annotated[int, Field(ge=1, le=10)]
    price: Money
    painted_on: date
    note: Text | None = None
    primer: bool = False
    tins: tuple[Id, ...] = ()


def changed(*, kind: type[Message] = Event, leave_out: str = "", **fields: Any) -> type[Message]:
    """`Painted.v1` with some fields different, added or left out."""
    kept = {name: (field.annotation, field) for name, field in Painted.model_fields.items() if name != leave_out}
    annotations, values = {}, {}
    for name, (annotation, field) in kept.items():
        annotations[name] = Annotated[(annotation, *field.metadata)] if field.metadata else annotation
        if not field.is_required():
            values[name] = field.default
    for name, planted in fields.items():
        annotation, default = planted if isinstance(planted, tuple) else (planted, None)
        annotations[name] = annotation
        values.pop(name, None)
        if isinstance(planted, tuple):
            values[name] = default
    body = {"__annotations__": {"TYPE": ClassVar[str], **annotations}, "TYPE": "Painted.v1", **values}
    return type("Painted", (kind,), {"__module__": __name__, **body})


BREAKING = {
    "a required field added": changed(thinner=Id),
    "a field removed": changed(leave_out="note"),
    "an optional field required": changed(note=Text | None),
    "a type changed": changed(coats=Text),
    "a number for a text": changed(wall=int),
    "null no longer taken": changed(note=(Text, "")),
    "an enum value removed": changed(colour=FewerColours),
    "a maximum lowered": changed(coats=Annotated[int, Field(ge=1, le=9)]),
    "a minimum raised": changed(coats=Annotated[int, Field(ge=2, le=10)]),
    "a text shortened": changed(wall=Annotated[Id, StringConstraints(max_length=99)]),
    "a pattern added": changed(
        note=(Annotated[str, StringConstraints(max_length=2_000, pattern="^[a-z]*$")] | None, None)
    ),
    "a pattern changed": changed(
        wall=Annotated[str, StringConstraints(min_length=1, max_length=100, pattern="^[a-z]+$")]
    ),
    "a format added": changed(wall=date),
    "fewer digits of a sum": changed(price=Annotated[Decimal, Field(max_digits=9, decimal_places=2)]),
    "a sum that must be positive": changed(price=PositiveMoney),
    "a list shortened": changed(tins=(Annotated[tuple[Id, ...], Field(max_length=3)], ())),
    "the items of a list tightened": changed(tins=(tuple[date, ...], ())),
    "another default": changed(primer=(bool, True)),
}

BREAKING_FOR_OLD_READERS = {
    "an optional field added": changed(thinner=(Text | None, None), kind=Command),
    "an enum value added": changed(colour=MoreColours, kind=Command),
    "a maximum raised": changed(coats=Annotated[int, Field(ge=1, le=11)], kind=Command),
}


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `Painted.v1` alone is published."""
    monkeypatch.setattr(export, "MESSAGES", {"Painted.v1": Painted})
    monkeypatch.setattr(export, "document", dict)
    export.export(tmp_path, tmp_path)
    return tmp_path


def test_the_plant_is_the_same_as_what_it_grows_from():
    assert shape(json_schema(changed())) == shape(json_schema(Painted))
    assert findings(json_schema(Painted), json_schema(changed()), both_ways=True) == []


@pytest.mark.parametrize("change", BREAKING | BREAKING_FOR_OLD_READERS)
def test_the_export_refuses_a_changed_shape_and_says_what_to_do(
    change: str, published: Path, monkeypatch: pytest.MonkeyPatch
):
    before = (published / "Painted.v1.json").read_bytes()
    model = (BREAKING | BREAKING_FOR_OLD_READERS)[change]
    monkeypatch.setattr(export, "MESSAGES", {"Painted.v1": model})
    with pytest.raises(export.PublishedVersionChanged) as refused:
        export.export(published, published)
    assert "Painted.v2" in str(refused.value)
    assert 'UPCASTERS["Painted.v1"]' in str(refused.value)
    assert (published / "Painted.v1.json").read_bytes() == before


def test_the_export_takes_better_words(published: Path, monkeypatch: pytest.MonkeyPatch):
    better = changed()
    better.__doc__ = "Said better."
    monkeypatch.setattr(export, "MESSAGES", {"Painted.v1": better})
    export.export(published, published)
    assert json.loads((published / "Painted.v1.json").read_bytes())["description"] == "Said better."


def test_a_version_that_the_code_no_longer_has_stays(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(export, "MESSAGES", {})
    export.export(published, published)
    export.export(tmp_path / "elsewhere", published)
    for folder in (published, tmp_path / "elsewhere"):
        assert (folder / "Painted.v1.json").exists()


def test_a_refusal_makes_the_command_fail(
    published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def refuse() -> list[Path]:
        raise export.PublishedVersionChanged("Painted.v1")

    monkeypatch.setattr(export, "export", refuse)
    assert export.main() == 1
    assert "Painted.v2" in capsys.readouterr().err


# Nothing that was ever committed becomes unreadable


@pytest.mark.parametrize("change", BREAKING)
def test_every_breaking_change_is_found(change: str):
    assert findings(json_schema(Painted), json_schema(BREAKING[change]))


@pytest.mark.parametrize("change", BREAKING_FOR_OLD_READERS)
def test_what_an_old_reader_can_not_take_is_found_for_commands(change: str):
    new = json_schema(BREAKING_FOR_OLD_READERS[change])
    assert findings(json_schema(Painted), new) == []
    assert findings(json_schema(Painted), new, both_ways=True)


def test_what_can_not_be_proved_is_a_finding():
    schema = {"type": "object", "properties": {"share": {"type": "number", "multipleOf": 0.5}}}
    assert findings(schema, schema)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_the_model_reads_the_records_of_its_committed_schema(name: str):
    both_ways = issubclass(MESSAGES[name], Command)
    assert findings(committed(name), json_schema(MESSAGES[name]), both_ways=both_ways) == []


def test_the_models_read_the_records_of_every_schema_in_the_history():
    if not (REPOSITORY / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no history here: not a git checkout")
    broken = {
        name: found
        for name in MESSAGES.keys() - REDRAWN.keys()
        for old in every_committed(name)
        if (found := findings(old, json_schema(MESSAGES[name]), both_ways=issubclass(MESSAGES[name], Command)))
    }
    assert not broken, f"published versions were changed in place: make new versions with upcasters. {broken}"
