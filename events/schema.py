"""A message's body as a JSON Schema (2020-12) that a reader outside can rely on.

It says what this system writes and what it asks others to write. Three things differ from what pydantic makes:
a decimal is a string with its digits bounded (never a float), the docstring of a field is its description (of an
enumeration's member: under `x-values`), and titles made from names are left out. Where a reader here takes more than
that (a JSON number for a sum), the schema does not promise it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from events.model import Message

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

ANNOTATIONS = frozenset({"title", "description", "examples", "$comment", "$schema", "x-values"})
"""Keywords that tell a person something and a validator nothing."""

SCHEMAS_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
"""Keywords whose value is a schema for each of some names: the names aren't keywords."""

VERBATIM = frozenset({"const", "enum", "default", "required", "examples", "x-values"})
"""Keywords whose value is data, not a schema."""


def json_schema(message: type[Message]) -> Schema:
    """The schema of one message version, ready to be written to a file."""
    schema = message.model_json_schema(schema_generator=_Generator, mode="validation")
    return {"$schema": DIALECT, **schema, "title": message.TYPE}


def shape(schema: Schema) -> Schema:
    """The schema without what is only for people: two versions of a file with one shape take the same records."""
    return rewrite(schema, lambda part: {key: value for key, value in part.items() if key not in ANNOTATIONS})


def rewrite(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """`change` applied to every schema inside `schema`, innermost first, then to itself."""
    result: Schema = {}
    for key, value in schema.items():
        if key in SCHEMAS_BY_NAME:
            result[key] = {name: rewrite(inner, change) for name, inner in value.items()}
        elif key in VERBATIM:
            result[key] = value
        elif isinstance(value, dict):
            result[key] = rewrite(value, change)
        elif isinstance(value, list):
            result[key] = [rewrite(item, change) if isinstance(item, dict) else item for item in value]
        else:
            result[key] = value
    return change(result)


class _Generator(GenerateJsonSchema):
    """Pydantic's generator with the three differences of this module."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """A string. Bounds on the number itself are annotations: JSON Schema has none for strings."""
        lowest = schema.get("ge", schema.get("gt"))
        sign = "" if lowest is not None and lowest >= 0 else "-?"
        places, digits = schema.get("decimal_places"), schema.get("max_digits")
        whole = "+" if digits is None else f"{{1,{digits - (places or 0)}}}"
        fraction = "+" if places is None else f"{{1,{places}}}"
        result: JsonSchemaValue = {
            "type": "string",
            "format": "decimal",
            "pattern": rf"^{sign}[0-9]{whole}(\.[0-9]{fraction})?$",
        }
        bounds = {
            "x-minimum": schema.get("ge"),
            "x-exclusiveMinimum": schema.get("gt"),
            "x-maximum": schema.get("le"),
            "x-exclusiveMaximum": schema.get("lt"),
        }
        result.update((name, str(Decimal(bound))) for name, bound in bounds.items() if bound is not None)
        return result

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        result = super().model_schema(schema)
        documented = field_docs(schema["cls"])
        for name, part in result.get("properties", {}).items():
            if name in documented:
                part.setdefault("description", documented[name])
        return result

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        result = super().enum_schema(schema)
        members: type[Enum] = schema["cls"]
        documented = member_docs(members)
        if meanings := {member.value: documented[member.name] for member in members if member.name in documented}:
            result["x-values"] = meanings
        return result

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """Docstrings under the fields of a model, inherited ones included."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner is not BaseModel:
            found.update(_docs_in(owner))
    return found


def member_docs(members: type[Enum]) -> dict[str, str]:
    """Docstrings under the members of an enumeration, by member name."""
    return _docs_in(members)


def _docs_in(owner: type) -> dict[str, str]:
    module = inspect.getmodule(owner)
    return dict(_module_docs(module).get(owner.__qualname__, {})) if module is not None else {}


@cache
def _module_docs(module: ModuleType) -> dict[str, dict[str, str]]:
    """The notes on fields of every class at the top of a module: the strings that stand under an assignment, by the
    assigned name."""
    tree = ast.parse(inspect.getsource(module))
    return {node.name: dict(_documented(node)) for node in tree.body if isinstance(node, ast.ClassDef)}


def _documented(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for statement, below in zip(node.body, node.body[1:], strict=False):
        match statement, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text).replace("\n", " ")
